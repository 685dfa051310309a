"""`make pictures`: writes the pictures of README and of the documentation into docs/pictures, each light and dark.

    python -m tools.pictures

Only drawn people are shown: FER2013's faces may not be. Figures come from results/, and from what the default model
answers for drawn people. On one machine the files come out byte for byte.
"""

import base64
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

from ferlab import files
from ferlab.pages import figures, report_figures
from ferlab.pages.figures import Draw
from ferlab.reporting import published, reports
from ferlab.studies import robustness_page
from ferlab.studies.kinds import KINDS
from tools.pictures import flow, pages, regions

FOLDER = Path("docs/pictures")
RESULTS = Path("results")
MODELS = ("five_layer_world", "accurate_world")  # whose matrix and reliability are shown, of PublicTest
STUDIED = "five_layer_taught_500-fer2013-none-s0"  # of which five_layer.onnx is
PHOTO = "people.jpg"  # to try ferlab with
METHOD = "integrated_gradients"  # it passes both checks of the study


def pictures() -> Iterator[tuple[str, bytes]]:
    """Name and content of each file."""
    way = flow.way()
    yield PHOTO, cv2.imencode(".jpg", way.photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
    yield from _themes("flow", flow.draw, (way, False))
    yield from _themes("flow-narrow", flow.draw, (way, True))
    studies = {study.kind: study.content for study in _entry(STUDIED).studies if study.place.startswith("val")}
    densities = studies["explain"]["regions"][METHOD]
    yield from _themes("regions", regions.draw, (densities, False))
    yield from _themes("regions-narrow", regions.draw, (densities, True))
    yield from _themes("robustness", robustness_page.curves, KINDS["robustness"].read(studies["robustness"], STUDIED))
    for name in MODELS:
        (report,) = [r for r in reports.read(str(RESULTS / name)) if r["split"] == "val"]
        for kind in ("confusion", "reliability"):
            for theme, uri in report_figures.of_report(report)[kind].picture.items():
                yield _file(f"{kind}-{name}", theme), base64.b64decode(uri.partition(",")[2])


def _entry(name: str) -> published.Entry:
    return next(entry for entry in published.read(RESULTS).entries if entry.row.name == name)


def _themes(name: str, draw: Draw, content: Any) -> Iterator[tuple[str, bytes]]:
    for theme in figures.THEMES:
        yield _file(name, theme), figures.drawn(draw, content, theme, "svg")


def _file(name: str, theme: str, kind: str = "svg") -> str:
    return f"{name}{'-dark' * (theme == 'dark')}.{kind}"


def main() -> None:
    """The command. `--charts` leaves the pictures of pages as they are."""
    charts = "--charts" in sys.argv
    for name, content in pictures():
        files.write_bytes(FOLDER / name, content)
    if charts or not (pages.CHROMIUM and pages.NPM and Path("web/dist/index.html").is_file()):
        print("left as they are: pictures of the report and the web app; they need Chromium, Node and `make web-test`")
        return
    files.write_bytes(FOLDER / "maps.png", pages.maps())
    for theme, content in pages.report():
        files.write_bytes(FOLDER / _file("report", theme, "png"), content)
    pages.app(FOLDER)


if __name__ == "__main__":
    main()
