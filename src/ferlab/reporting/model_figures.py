"""What results/ holds of the exported models at hand -> NAME.measured.json beside each, and the table of them."""

from collections.abc import Sequence
from pathlib import Path

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
    head = ["model", "what", "MB", "PublicTest", "PrivateTest", "ms a face"]
    caption = (
        "Percent, with 95 % intervals (Wilson), of the very file. ms: least CPU time of a face on one thread of "
        f"{' or '.join(processors)}; in brackets, how many times that of `{catalogue.REFERENCE}` in the same run."
    )
    return markdown.markdown(head, [_row(row) for row in rows]) + "\n\n" + caption


def _row(row: catalogue.Row) -> Sequence[str]:
    what, speed = ", ".join(filter(None, (row.what, row.precision))), catalogue.milliseconds(row.speed)
    if row.speed:
        speed += f" ({row.speed['ms_per_face'] / row.speed['relative_to'][catalogue.REFERENCE]:.1f})"
    return [f"`{row.name}`", what, f"{row.bytes / 1e6:.1f}", *map(catalogue.figure, (row.val, row.test)), speed]
