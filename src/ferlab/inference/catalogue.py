"""What is known of the models at hand, a row each, and the table that `python -m ferlab.predict --list` prints.

Every figure comes from the JSON beside a file. This file alone decides what a row says.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ferlab.files import Json, shown
from ferlab.inference import models

PACKAGE, ZOO = "ferlab", "ferlab-zoo"  # distributions
REFERENCE = "five_layer"  # whose time a face is stated beside a model's
PHOTOGRAPHS = "wild-test"  # of `elsewhere` in NAME.measured.json
UNKNOWN = "–"
_WIDTH = 150  # characters, where the terminal has fewer or is none


@dataclass(frozen=True)
class Row:
    """A model.

    Attributes:
        what: the net or nets, and the views.
        labels: the label system that it learned; accuracies of two systems do not compare.
        bytes: of its files.
        photographs: of the faces of data=wild, test: n, correct, accuracy, recall; None where not measured.
        val, test: n, correct, accuracy, interval95 and the same `without_twins`; None where not measured.
        speed: ms_per_face on one thread, `relative_to` the ms of `REFERENCE` in the same run; None where not measured.
        place: the distribution that holds it, or what installs it.
    """

    name: str
    what: str
    labels: str
    bytes: int
    precision: str
    val: Json | None
    test: Json | None
    photographs: Json | None
    speed: Json | None
    place: str

    def as_json(self) -> Json:
        return asdict(self)


def rows() -> list[Row]:
    """Every expression model at hand, then those that only the zoo holds and that are not installed."""
    at_hand = [of_model(name, path) for name, path in models.found().items()]
    missing = f"not here: {models.INSTALL}"
    return at_hand + [Row(**{**row, "place": missing}) for row in models.not_installed()]


def of_model(name: str, path: Path) -> Row:
    stated, measured = models.stated(path), models.measured(path)
    place = ZOO if models.is_of_the_zoo(path) else PACKAGE
    of_file = {split: measured.get(split) for split in ("test", "speed")}
    val = measured.get("val") or stated.get("val")
    size, precision = stated.get("bytes") or path.stat().st_size, stated.get("precision", "")
    labels = stated.get("label_system") or str(stated.get("data", UNKNOWN)).partition("+")[0]
    photographs = measured.get("elsewhere", {}).get(PHOTOGRAPHS)
    return Row(name, _what(stated), labels, size, precision, val, **of_file, photographs=photographs, place=place)


def _what(stated: Mapping[str, Any]) -> str:
    """As `resnet18, distilled` or `ensemble of 7, views12`; a foreign model's JSON may state little."""
    runs = [run.get("info", {}) for run in stated.get("runs", ())]
    nets = f"ensemble of {len(runs)}" if len(runs) > 1 else str(runs[0].get("model", UNKNOWN)) if runs else UNKNOWN
    taught = ["distilled"] if runs and all(info.get("teacher") for info in runs) else []
    views = [stated["tta"]] if stated.get("tta", "none") != "none" else []
    return ", ".join([nets, *taught, *views])


def figure(found: Mapping[str, Any] | None) -> str:
    """An accuracy in percent with its 95 % interval, as `73.5 (72.1–74.9)`."""
    if not found or found.get("accuracy") is None:
        return UNKNOWN
    low, high = found["interval95"]
    return f"{100 * found['accuracy']:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def milliseconds(speed: Mapping[str, Any] | None) -> str:
    """Least CPU time of a face on one thread, as `2.58`."""
    return f"{speed['ms_per_face']:.2f}" if speed else UNKNOWN


def show(console: Console | None = None) -> int:
    """Print the table of the models and of the face detectors; gives the exit status."""
    console = console or Console()
    console.width = max(console.width, _WIDTH)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head, justify in (
        *(("model", "left"), ("what", "left"), ("labels", "left"), ("MB", "right"), ("", "left")),
        *(("PublicTest, %\nwithout twins", "left"), ("PrivateTest, %\nwithout twins", "left")),
        *(("photos, %", "left"), ("ms", "right"), ("in", "left")),
    ):
        table.add_column(head, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for row in rows():
        accuracies = [f"{figure(one)}\n{figure((one or {}).get('without_twins'))}" for one in (row.val, row.test)]
        cells = [row.name, row.what, row.labels, f"{row.bytes / 1e6:.1f}", row.precision]
        cells += [*accuracies, figure(row.photographs), milliseconds(row.speed), row.place]
        table.add_row(*_safe(cells))
    for path in models.detectors():
        stated = models.stated(path)
        what, size = f"face detector, {stated['name']}", f"{stated['bytes'] / 1e6:.1f}"
        table.add_row(*_safe([path.stem, what, UNKNOWN, size, "", *[UNKNOWN] * 4, PACKAGE]))
    console.print(table)
    console.print(
        "Accuracies with 95 % intervals, by the labels that the model learned; below them without the faces whose "
        "pixels also stand in the training split. photos: faces of press photographs (data=wild, test). ms: least CPU "
        "time of a face on one thread; NAME.measured.json names the processor.",
        style="dim",
        highlight=False,
    )
    return 0


def _safe(cells: list[str]) -> list[Text]:
    return [Text("\n".join(shown(line) for line in cell.split("\n"))) for cell in cells]
