"""What results/ holds of the exported models at hand -> NAME.measured.json beside each, and the table of them."""

import json
from collections.abc import Sequence
from pathlib import Path

from ferlab.evaluation.report import ELSEWHERE
from ferlab.files import Json
from ferlab.inference import catalogue, models
from ferlab.reporting import markdown, published
from ferlab.reporting.markdown import Report

_KEPT = ("n", "correct", "accuracy", "interval95")


def record(results: Path) -> list[Path]:
    """Note what was published of each model at hand, known by the sha256 of its file; gives these files.

    A model's figures on the faces that it was trained for count, in the views that it has inside.

    Raises:
        FerlabError: as `published.read`, or the disk refuses.
    """
    reports = [report for entry in published.read(results).entries for report in entry.reports]
    noted = []
    for path in models.found().values():
        of_file = [report for report in reports if "export" in report and _is_of(report, path)]
        for report in of_file:
            models.note(path, **{report["split"]: _figures(report)})
        noted += [path.with_suffix(".measured.json")] if of_file else []
    rows = [catalogue.of_model(name, path) for name, path in models.found().items()]
    models.list_zoo([row.as_json() for row in rows if row.place != catalogue.PACKAGE])
    return noted


def record_elsewhere(exported: Path) -> list[Path]:
    """Note what `evaluate weights=NAME` measured of each model at hand on other data, or with other priors.

    Args:
        exported: the folder of these reports, outputs/exported.

    Returns:
        The files that were written.
    """
    found = [
        json.loads(file.read_text()) | {"of": file.parts[-3]} for file in sorted(exported.glob("*/*/*/report.json"))
    ]
    noted = []
    for path in models.found().values():
        sha256 = models.stated(path)["sha256"]
        own = [report for report in found if report["weights_sha256"] == [sha256]]
        if apart := {_place(report): _detailed(report) for report in own if _is_apart(report)}:
            models.note(path, elsewhere=apart)
            noted.append(path.with_suffix(".measured.json"))
    return noted


def _is_apart(report: Report) -> bool:
    return report["of"] == ELSEWHERE or "priors" in report


def _place(report: Report) -> str:
    """As `wild-test`, or `ferplus-test-for-ferplus` with priors."""
    words = [report["data"].partition("+")[0], report["split"]]
    if "priors" in report:
        words += ["for", report["name"].removeprefix(Path(report["export"]["file"]).stem + "-")]
    return "-".join(words)


def _detailed(report: Report) -> Json:
    kept = ("label_system", "macro_recall", "recall", "support", "frequent_recall", "looks_before", "evaluated_commit")
    return _figures(report) | {key: report[key] for key in kept if key in report}


def _is_of(report: Report, path: Path) -> bool:
    stated = models.stated(path)
    here = ([stated["sha256"]], stated.get("tta", "none"), stated.get("data"))
    return (report["weights_sha256"], report["tta"], report["data"]) == here


def _figures(report: Report) -> Json:
    alone = report["without_train_twins"]
    return {**{key: report[key] for key in _KEPT}, "without_twins": {key: alone[key] for key in _KEPT}}


def table() -> str:
    """The models at hand as Markdown, from the JSON beside them."""
    rows = catalogue.rows()
    processors = sorted({row.speed["cpu"] for row in rows if row.speed})
    head = ["model", "what", "labels", "MB", "PublicTest", "PrivateTest", "photographs", "ms a face"]
    caption = (
        "Percent, with 95 % intervals (Wilson), of the very file, by the labels that it learned: rows of two label "
        "systems do not compare. photographs: faces of press photographs of persons whom nothing was trained on, by "
        "their own labels. ms: least CPU time of a face on one thread of "
        f"{' or '.join(processors)}; in brackets, how many times that of `{catalogue.REFERENCE}` in the same run."
    )
    return markdown.markdown(head, [_row(row) for row in rows]) + "\n\n" + caption


def _row(row: catalogue.Row) -> Sequence[str]:
    what, speed = ", ".join(filter(None, (row.what, row.precision))), catalogue.milliseconds(row.speed)
    if row.speed:
        speed += f" ({row.speed['ms_per_face'] / row.speed['relative_to'][catalogue.REFERENCE]:.1f})"
    accuracies = map(catalogue.figure, (row.val, row.test, row.photographs))
    return [f"`{row.name}`", what, row.labels, f"{row.bytes / 1e6:.1f}", *accuracies, speed]
