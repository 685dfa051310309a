"""A report -> its page: index.html, and confusion_matrix.png, .svg and its gallery beside it.

This file and report.html decide what stands on the page; every number on it comes out of the report.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferlab import files
from ferlab.data.faces import Faces
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.files import Json, write_bytes, write_text
from ferlab.pages import findings, links, report_figures
from ferlab.pages.figures import drawn
from ferlab.pages.page import GALLERIES, Head, Made, cards, commits, details, galleries_file, template
from ferlab.pages.sections import PageTable
from ferlab.pages.words import readable

MISTAKES = 24  # faces in the gallery
_PER_MEMBER = {
    "weights": "weight",
    "temperatures": "temperature",
    "class_weights": "class weights",
    "seed": "seed",
    "best_epoch": "best epoch",
    "parameters": "parameters",
    "commit": "commit",
    "weights_sha256": "sha256 of the weights",
}


def write(
    folder: Path,
    report: Mapping[str, Any],
    title: str,
    probabilities: np.ndarray,
    faces: Faces,
    metrics_rows: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write the page of a report on N faces of the split `title`, and beside it its matrix and `GALLERIES`."""
    matrix = np.asarray(report["confusion_matrix"])
    for kind in ("svg", "png"):
        write_bytes(folder / f"confusion_matrix.{kind}", drawn(report_figures.confusion_matrix, matrix, "light", kind))
    mistakes = _mistakes(probabilities, faces)
    write_bytes(folder / GALLERIES, galleries_file({"mistakes": mistakes}))
    page = folder / links.PAGE
    html = template("report.html").render(
        head=_head(page, report, title),
        made=_made(page, report),
        report=report,
        title=title,
        pictures=report_figures.of_report(report, metrics_rows),
        members=members(report),
        mistakes=mistakes,
    )
    write_text(page, html)
    return page


def members(report: Mapping[str, Any]) -> PageTable | None:
    """A row for each member of an ensemble, with what the members do not share; None of a single run."""
    names = report["members"]
    if len(names) < 2:
        return None
    columns = {
        head: report[key]
        for key, head in _PER_MEMBER.items()
        if isinstance(report.get(key), list) and len(report[key]) == len(names)
    }
    rows = [[name, *(_short(values[i]) for values in columns.values())] for i, name in enumerate(names)]
    return PageTable(["member", *columns], rows)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = f"{value:,}" if isinstance(value, int) else readable(value)
    return text if len(text) < 40 else text[:12]  # of a checksum, which stands whole in the provenance


def _head(page: Path, report: Mapping[str, Any], title: str) -> Head:
    views = report.get("views") or ()
    of = [report["data"], title, f"views: {report['tta']}" + (f" ({len(views)})" if views else "")]
    return Head("evaluation", of, report["name"], findings.of_report(report, _single(page, report)), links.around(page))


def _made(page: Path, report: Mapping[str, Any]) -> Made:
    home, elsewhere = page.parents[2], page.parent.parent.name != links.REPORTS
    what = f"weights={report['name']}.onnx" if report.get("export") else links.runs_word(home)
    words = [what, f"split={report['split']}"] + ([] if report.get("export") else [f"tta={report['tta']}"])
    words += [f"data={report['data']}"] if elsewhere else []
    return Made(
        [f"python -m ferlab.evaluate {' '.join(words)}"],
        commits(report),
        links.files_of(page, ["report.json", "predicted.npy", "labels.npy", "probabilities.npy"]),
        details(stated(report)),
    )


def stated(report: Mapping[str, Any]) -> Json:
    """What a report says of where its numbers come from, in the order of a page."""
    return {key: report[key] for key in _PROVENANCE if key in report}


def _single(page: Path, report: Mapping[str, Any]) -> Json | None:
    """The report of the same weights on the same faces in a single view; None where there is none to compare."""
    place = page.parent.name
    if report["tta"] == "none" or not place.endswith(f"-{report['tta']}"):
        return None
    single = place.removesuffix(report["tta"]) + "none"
    try:
        other: Json = files.read_json(page.parent.with_name(single) / "report.json", "")
    except FerlabError:
        return None
    same = all(other.get(key) == report.get(key) for key in ("weights_sha256", "faces_sha256", "n"))
    return other if same and isinstance(other.get("correct"), int) else None


_PROVENANCE = [
    "name",
    "model",
    "members",
    "data",
    "label_system",
    "trained_label_system",
    "class_weights",
    "seed",
    "priors",
    "best_epoch",
    "parameters",
    "tta",
    "tta_space",
    "views",
    "method",
    "weights",
    "temperatures",
    "specialists",
    "chosen_on",
    "frozen_at",
    "ensemble_sha256",
    "hindsight",
    "split",
    "commit",
    "evaluated_commit",
    "evaluated_at",
    "looks_before",
    "looks_before_at_data",
    "weights_sha256",
    "faces_sha256",
    "stores",
    "config",
    "environment",
    "export",
]


def _mistakes(probabilities: np.ndarray, faces: Faces) -> list[Json]:
    """The wrong answers that were given with the highest probability, the surest first."""
    labels, predicted, confidence = faces.labels, probabilities.argmax(1), probabilities.max(1)
    wrong = np.flatnonzero(predicted != labels)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    notes = [f"{EXPRESSIONS[labels[i]]} taken for {EXPRESSIONS[predicted[i]]}" for i in surest]
    return cards(faces, surest, probabilities, notes)
