"""Records of runs -> one page without outside parts that shows and compares them.

The parts of a run are those of its own pages; what stands here alone is what several runs are compared by. A part that
nobody measured is named with the command that measures it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ferlab import files
from ferlab.data.faces import split_title
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.pages import findings, links, report_figures, report_page
from ferlab.pages.links import Link
from ferlab.pages.page import Head, Made, commits, details, template
from ferlab.pages.sections import PageTable, Section
from ferlab.pages.words import listed
from ferlab.reporting import markdown, ranking, study_tables, training_curves
from ferlab.reporting.markdown import Report
from ferlab.reporting.records import Record
from ferlab.reporting.reports import detail, mcnemar_tests
from ferlab.reporting.written_studies import WrittenStudy, galleries
from ferlab.studies.kinds import KINDS


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
        head=_head(path, shown, data, title),
        compared=[
            *_accuracies(shown, reports, split, tta, against),
            *training_curves.sections(records, curves_below=not several and shown[0][1] is not None),
            *_by_expression(shown, title),
            *(study_tables.compared(records) if several else ()),
        ],
        runs=[
            _run(path, record, report, _title(data, split, record.frozen or tta), (split, tta), several)
            for record, report in shown
        ],
        looks=[_looks(records, looks)],
        made=Made([_command(records, split, tta)]),
    )
    files.write_text(path, html)
    return path


def _head(page: Path, shown: Sequence[tuple[Record, Any]], data: Sequence[str], title: str) -> Head:
    records = [record for record, _ in shown]
    several = len(records) > 1
    reports = [report for record in records for report in record.reports]
    systems = markdown.by_labels(reports)
    found = [ranking.best(name, group) for name, group in systems.items()] if several else _alone(*shown[0])
    homes = [record.path for record in records if links.pages_of(record.path)]
    indexed = any(links.site_of(home).resolve() == page.parent.resolve() for home in homes)
    pages = [Link("All runs", links.PAGE)] * indexed + ([] if several else _pages(page, records[0]))
    name = f"{len(records)} runs compared" if several else records[0].name
    return Head("summary", data, name, [*found, f"Shown in detail: {title}."], pages)


def _alone(record: Record, report: Report | None) -> list[str]:
    """What the report of one run says in sentences."""
    if report is None:
        return ["No report was written yet."]
    single = record.report(report["split"], "none") if report["tta"] != "none" else None
    same = single and single.get("faces_sha256") == report.get("faces_sha256")
    return findings.of_report(report, single if same else None)


def _pages(page: Path, record: Record) -> list[Link]:
    return [Link(name, links.between(page, path)) for name, path in links.pages_of(record.path)]


def _command(records: Sequence[Record], split: str, tta: str) -> str:
    return f"python -m ferlab.summarise {study_tables.named(records)} split={split} tta={tta}"


def _accuracies(
    shown: Sequence[tuple[Record, Any]], reports: Sequence[Mapping], split: str, tta: str, against: str | None
) -> list[Section]:
    without = study_tables.evaluate([record for record, report in shown if report is None], split, tta)
    if against is not None and all(r["name"] != against for r in reports):
        choices = ", ".join(sorted({r["name"] for r in reports}))
        raise FerlabError(f"against={against!r} has no such report; choose {choices}")
    if not reports:
        return [Section("Ranking", "No run has a report yet.", commands=without)]
    anchors = {record.name: f"#run-{i}" for i, (record, _) in enumerate(shown, 1)} if len(shown) > 1 else {}
    groups = markdown.by_labels(reports)
    made, said = [], []
    for name, group in groups.items():
        table = ranking.ranked(group, split, tta, anchors)
        labels = f" Measured with the labels of {name}." if len(groups) > 1 else ""
        made.append(replace(table, caption=table.caption + labels))
        there = against if len(groups) == 1 or any(r["name"] == against for r in group) else None
        tested = mcnemar_tests(group, *markdown.detail(group, split, tta), there)
        left_out = _left_out(tested.left_out)
        if tested.rows:
            made.append(PageTable(tested.head, tested.rows, f"{tested.title.rstrip(':')}.{left_out}{labels}"))
        elif len(shown) > 1:
            said.append(f"{tested.title.rstrip(':.')}.{left_out}{labels}")
    ranked = Section("Ranking" if len(shown) > 1 else "Accuracy", " ".join(said), made)
    if not without:
        return [ranked]
    counted = ", each a look that the ledger counts" if split == "test" else ""
    return [
        ranked,
        Section("Not evaluated", f"On {split} with tta={tta}, which these commands do{counted}.", commands=without),
    ]


def _left_out(reasons: Sequence[str]) -> str:
    """What was left out of a test, by reason: `NAME: REASON` of each."""
    by_reason: dict[str, list[str]] = {}
    for name, _, reason in (one.partition(": ") for one in reasons):
        by_reason.setdefault(reason, []).append(name)
    words = "; ".join(f"{_some(names)}: {reason}" for reason, names in by_reason.items())
    return f" Left out: {words}." if words else ""


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


def _run(
    page: Path, record: Record, report: Report | None, title: str, detail: tuple[str, str], several: bool
) -> dict[str, Any]:
    """What the template shows of one run; beside others without figures, which its own pages have."""
    info = record.info
    about = [
        info.get("model"),
        info.get("data"),
        f"class weights {info.get('class_weights')}",
        f"seed {listed(info.get('seed'))}",
    ]
    gallery = galleries(report["folder"]).get("mistakes") if report else None
    known = report or (record.reports[0] if record.reports else None)
    config = record.run.config if record.run else None
    of = report_page.stated(known) if known else {**info, "config": config}
    return {
        "name": record.name,
        "about": " · ".join(str(part) for part in about if part is not None),
        "title": title,
        "report": report,
        "pages": _pages(page, record) if several else [],
        "by_expression": report_figures.by_expression(report) if report else None,
        "pictures": report_figures.of_report(report, record.curves()) if report and not several else None,
        "mistakes": None if several else gallery,
        "studies": [] if several else [_study(study, report) for study in record.studies],
        "missing": _missing(record, report, title, detail, gallery is None),
        "commits": commits(of),
        "details": details({key: value for key, value in of.items() if key != "config" or not several}),
    }


def _missing(
    record: Record, report: Report | None, title: str, detail: tuple[str, str], no_gallery: bool
) -> list[tuple[str, str]]:
    """What nobody measured, each with the command that does."""
    split, tta = detail
    counted = " (a look that the ledger counts)" if split == "test" else ""
    missing = [] if report else [(f"Report, {title}{counted}", study_tables.evaluate([record], split, tta)[0])]
    if report and no_gallery:
        # What was measured is not measured again for its pictures on test: that would be a look.
        (again,) = study_tables.evaluate([record], "val", tta)
        missing.append(("Gallery of mistakes, which older reports have not", again))
    return missing + [(kind.title, record.command(kind)) for kind in KINDS.values() if record.lacks(kind)]


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
