"""A report's files: report.json, predictions and the page."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferlab import files
from ferlab.data.faces import Faces, split_title
from ferlab.errors import FerlabError
from ferlab.files import Json
from ferlab.runs import shapes

ELSEWHERE = "elsewhere"  # in a subject's directory: reports on other data than its own, which no table mixes with these


def read(folder: Path) -> Json:
    """What report.json in a folder holds; nothing where there is none, or a damaged one."""
    with contextlib.suppress(FerlabError):
        found: Json = files.read_json(folder / "report.json", "")
        shapes.read(shapes.Report, found, "it", "")
        return found
    return {}


def write_report(
    folder: str | Path,
    measured: Mapping[str, Any],
    provenance: Mapping[str, Any],
    probabilities: np.ndarray,
    faces: Faces,
    metrics_rows: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write a report's files into `folder`; returns the path of its page.

    Args:
        folder: made when it is not there; the files of an earlier report are replaced.
        measured: what `measure` gave.
        provenance: what else report.json must hold: `name`, `model`, `members` (run names), `tta`, `split`, `data`
            (names joined by ", "), `seed`, `commit`; and whatever else is known: config, checksums, environment.
        probabilities: [N,7].
        faces: the N faces.
        metrics_rows: rows of the run's metrics.csv; without them the page has no training curves.

    Raises:
        FerlabError: `provenance` lacks a key, or the disk refuses (full, read-only).
    """
    from ferlab.pages import report_page  # matplotlib and Jinja2 cost 0.5 s, which reading reports should not

    if missing := {"name", "model", "members", "tta", "split", "data", "seed", "commit"} - set(provenance):
        raise FerlabError(f"a report needs {', '.join(sorted(missing))} in its provenance")
    folder = Path(folder)
    # Out of the way first: report.json is written last and so stands for a complete report.
    with files.naming(folder):
        (folder / "report.json").unlink(missing_ok=True)
    predicted = probabilities.argmax(1)
    files.write_array(folder / "probabilities.npy", probabilities.astype(np.float16))
    files.write_array(folder / "predicted.npy", predicted.astype(np.uint8))
    files.write_array(folder / "labels.npy", faces.labels.astype(np.uint8))
    files.write_array(folder / "correct.npy", predicted == faces.labels)  # for McNemar's test, without the data
    report = {**provenance, **measured}
    title = split_title(report["data"], report["split"])
    page = report_page.write(folder, report, title, probabilities, faces, metrics_rows)
    files.write_text(folder / "report.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
    return page
