"""Records of runs -> one page without outside parts that shows and compares them.

The parts of a run are those of its own pages; what stands here alone is what several runs are compared by. A part that
nobody measured is named with the command that measures it.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ferlab import files
from ferlab.data.faces import split_title
from ferlab.expressions import EXPRESSIONS
from ferlab.pages.page import template
from ferlab.pages.report_page import curves, details, pictures_of
from ferlab.pages.sections import PageFigure, PageTable, Section, figure
from ferlab.pages.words import listed, percent, readable
from ferlab.reporting import markdown, study_tables
from ferlab.reporting.markdown import Report
from ferlab.reporting.records import Record
from ferlab.reporting.reports import detail, mcnemar_tests
from ferlab.reporting.written_studies import WrittenStudy, galleries
from ferlab.studies.kinds import KINDS

_PANELS = {"val/accuracy": "Accuracy on val", "val/loss": "Loss on val", "train/loss": "Loss in training"}
_DASHES = ("-", "--", "-.", ":")


def write(
    path: Path,
    records: Sequence[Record],
    looks: Sequence[Mapping[str, Any]] | None,
    split: str | None = None,
    tta: str | None = None,
    against: str | None = None,
) -> Path:
    """Write the page of `records` to `path`.

    Args:
        looks: entries of the ledger, None where there is no ledger.
        split, tta: of what is shown in detail; None: what most runs have, test before val.
        against: name of the run that the others are tested against; None: the best on val.

    Raises:
        FerlabError: no report is of what was asked for; a report or a study lacks what belongs in it.
    """
    reports = [report for record in records for report in record.reports]
    split, tta = detail(reports, split, tta) if reports else (split or "val", tta or "none")
    shown = [(record, record.report(split, tta)) for record in records]
    data = list(dict.fromkeys(name for record in records for name in str(record.info.get("data")).split(", ")))
    title = _title(data, split, tta)
    several = len(records) > 1
    html = template("summary.html").render(
        title=f"{len(records)} runs compared" if several else records[0].name,
        data=", ".join(data),
        lead=f"Shown in detail: {title}. Every number comes from a file that a command has written; nothing was "
        "measured for this page.",
        compared=[
            _accuracies(shown, reports, split, tta, against),
            *_training(records, curves_below=bool(len(records) == 1 and shown[0][1])),
            *_by_expression(shown, title),
            *(study_tables.compared(records) if several else ()),
        ],
        runs=[_run(record, report, _title(data, split, record.frozen or tta), split, tta) for record, report in shown],
        looks=[_looks(records, looks)],
    )
    files.write_text(path, html)
    return path


def _accuracies(
    shown: Sequence[tuple[Record, Any]], reports: Sequence[Mapping], split: str, tta: str, against: str | None
) -> Section:
    without = study_tables.evaluate([record for record, report in shown if report is None], split, tta)
    if not reports:
        return Section("Accuracy", "No run has a report yet.", commands=without)
    groups = markdown.by_labels(reports)
    made = [
        PageTable(
            *markdown.cells(group, *markdown.detail(group, split, tta)),
            markdown.CAPTION + (f" Measured with the labels of {name}." if len(groups) > 1 else ""),
        )
        for name, group in groups.items()
    ]
    tested = mcnemar_tests(reports, split, tta, against)
    left_out = f"Left out: {'; '.join(tested.left_out)}." if tested.left_out else ""
    if tested.rows:
        made.append(PageTable(tested.head, tested.rows, f"{tested.title.rstrip(':')}. {left_out}"))
    text = "" if tested.rows or len(shown) < 2 else f"{tested.title.rstrip(':.')}. {left_out}"
    if without:
        counted = ", each a look that the ledger counts" if split == "test" else ""
        text += f" Not measured on {split} with tta={tta}, which these commands do{counted}:"
    return Section("Accuracy", text.strip(), made, commands=without)


def _training(records: Sequence[Record], curves_below: bool) -> list[Section]:
    trained = [record for record in records if record.run]
    lines = {r.name: {k: v for panel in curves(r.curves()).values() for k, v in panel.items()} for r in trained}
    lines = {name: found for name, found in lines.items() if found.keys() & _PANELS.keys()}
    rows = []
    for record in trained:
        info, best = (
            record.info,
            max(lines.get(record.name, {}).get("val/accuracy", ()), key=lambda p: p[1], default=None),
        )
        told = [info.get(key) for key in ("status", "epochs", "best_epoch", "parameters", "seconds")]
        device = info.get("environment", {}).get("device", "–")
        rows.append([record.name, *("–" if t is None else f"{t:,}" if isinstance(t, int) else str(t) for t in told)])
        rows[-1] += [percent(best[1]) if best else "–", device]
    head = ["run", "status", "epochs", "best epoch", "parameters", "seconds", "best val accuracy %", "device"]
    if not rows:
        return []
    text = "" if len(lines) == len(trained) else "A run without metrics.csv has no curve."
    figures = [_curve(metric, lines, _groups(trained)) for metric in _PANELS] if lines and not curves_below else []
    return [Section("Training", text, [PageTable(head, rows)], figures, beside=True)]


def _curve(metric: str, lines: Mapping[str, Any], group_of: Mapping[str, str]) -> PageFigure:
    """One metric of all runs over epochs."""
    points = {name: found[metric] for name, found in lines.items() if metric in found}
    last = "; ".join(f"{name} {found[-1][1]:.3f} in epoch {found[-1][0]:.0f}" for name, found in points.items())
    title = f"{_PANELS[metric]} over epochs; seeds of one configuration look alike"
    return figure(
        _overlaid, (points, group_of), f"{_PANELS[metric]} over epochs, a line a run, at last: {last}.", title
    )


def _groups(trained: Sequence[Record]) -> dict[str, str]:
    """Name of each run -> of its configuration."""
    return {r.name: markdown.row_name({"name": r.name, "seed": r.info.get("seed")}) for r in trained}


def _overlaid(drawing: Figure, content: tuple[Mapping, Mapping], colours: Mapping[str, Any]) -> None:
    points, group_of = content
    groups = list(dict.fromkeys(group_of[name] for name in points))
    drawing.set_size_inches(4.4, 2.9 + 0.16 * len(groups))
    axes = drawing.add_subplot()
    for name, found in points.items():
        group = groups.index(group_of[name])
        axes.plot(
            *zip(*found, strict=True),
            color=colours["lines"][group % len(colours["lines"])],
            linestyle=_DASHES[group % len(_DASHES)],
            linewidth=1.1,
            marker="o" if len(found) == 1 else None,
            label=group_of[name],
        )
    axes.set_xlabel("epoch")
    axes.spines[["top", "right"]].set_visible(False)
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    drawing.legend(handles.values(), handles, loc="outside lower left", frameon=False, fontsize=8)


def _by_expression(shown: Iterable[tuple[Record, Any]], title: str) -> list[Section]:
    rows = [
        [_in_its_views(record), *map(_recall, report["confusion_matrix"], range(7))]
        for record, report in shown
        if report
    ]
    caption = f"{title}: percent of an expression's faces that are right, with Wilson's 95 % interval; a dash: no face."
    return [Section("Recall by expression", "", [PageTable(["run", *EXPRESSIONS], rows, caption)])] if rows else []


def _title(data: Sequence[str], split: str, tta: str) -> str:
    return f"{split_title(', '.join(data), split)}, {markdown.view_title(tta)}"


def _in_its_views(record: Record) -> str:
    return f"{record.name}, {record.frozen}" if record.frozen else record.name


def _recall(row: Sequence[int], k: int) -> str:
    return markdown.share(row[k], sum(row)) if sum(row) else "–"


def _run(record: Record, report: Report | None, title: str, split: str, tta: str) -> dict[str, Any]:
    """What the template shows of one run."""
    info = record.info
    about = [
        info.get("model"),
        info.get("data"),
        f"class weights {info.get('class_weights')}",
        f"seed {listed(info.get('seed'))}",
    ]
    rows = record.curves()
    gallery = galleries(report["folder"]).get("mistakes") if report else None
    counted = " (a look that the ledger counts)" if split == "test" else ""
    missing = [] if report else [(f"Report, {title}{counted}", *study_tables.evaluate([record], split, tta))]
    if report and gallery is None:
        # What was measured is not measured again for its pictures on test: that would be a look.
        missing.append(
            (
                "Gallery of mistakes, which older reports have not",
                *study_tables.evaluate([record], "val", tta),
            )
        )
    missing += [(kind.title, record.command(kind)) for kind in KINDS.values() if record.lacks(kind)]
    if report or record.reports:
        told = details(report or record.reports[0])
    else:
        config = record.run.config if record.run else None
        told = {key: readable(value) for key, value in {**info, "config": config}.items()}
    return {
        "name": record.name,
        "about": " · ".join(str(part) for part in about if part is not None),
        "title": title,
        "report": report,
        "pictures": pictures_of(report, rows) if report else None,
        "mistakes": gallery,
        "studies": [_study(study, report) for study in record.studies],
        "missing": missing,
        "details": told,
    }


def _study(study: WrittenStudy, report: Mapping[str, Any] | None) -> dict[str, Any]:
    sections = study.sections()
    if report and report.get("weights_sha256") != study.content["weights_sha256"]:
        warning = "This study is of other weights than the report above: the run was trained on, or anew, in between."
        sections = [Section("Other weights", warning), *sections]
    return {"title": f"{KINDS[study.kind].title}: {study.title}", "sections": sections}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _looks(records: Sequence[Record], looks: Sequence[Mapping[str, Any]] | None) -> Section:
    title = "Looks at test splits"
    if looks is None:
        return Section(title, "There is no ledger; type ledger=FILE, as ledger=results/ledger.jsonl.")
    weights = set().union(*(record.weights_sha256 for record in records))
    rows = [
        [
            look["time"],
            _some(look["runs"]),
            look["data"],
            ", ".join(look["tta"]),
            str(look["commit"]),
            str(look["looks_before"]),
            str(look["looks_before_at_data"]),
        ]
        for look in looks
        if weights.intersection(look["weights_sha256"])
    ]
    text = f"{len(rows)} of the ledger's {len(looks)} looks are by these weights, alone or in an ensemble."
    head = ["time", "runs", "data", "views or study", "commit", "looks before, these weights", "by anything"]
    return Section(title, text, [PageTable(head, rows)] if rows else [])
