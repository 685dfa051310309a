"""Written reports: found, read, and compared. No model is run."""

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ferlab import files
from ferlab.commandline import matching, typed
from ferlab.errors import FerlabError
from ferlab.evaluation.report import ELSEWHERE
from ferlab.pages.links import GROUPS
from ferlab.reporting import markdown, published, ranking
from ferlab.reporting.markdown import Report
from ferlab.runs import shapes


def read(runs: str | Sequence[str] | None, data: str | None = None) -> list[Report]:
    """All reports of run, ensemble and exported model directories, and of published runs (results, results/NAME).

    Args:
        runs: a path, a glob or a list of them.
        data: name of another data set than their own, whose reports are meant.

    Returns:
        Contents of report.json, and `folder`, where it was found. The same report found twice counts once.

    Raises:
        FerlabError: a pattern finds no report, a file is none, two reports of one thing disagree, or two trainings
            share a name.
    """
    if not runs:
        raise FerlabError("nothing to compare; type runs='outputs/*' or runs=results")
    kept: dict[tuple[str, str, str], Report] = {}
    first: dict[str, Report] = {}  # of each name
    for report in (one for pattern in _several(runs) for one in _named(pattern, data)):
        same = first.setdefault(report["name"], report)
        if same.get("weights_sha256") != report.get("weights_sha256"):
            raise FerlabError(
                f"{same['folder']} and {report['folder']} are both called {report['name']}, but of other weights; give "
                "only one of them, or train one again under another name, as name=NAME"
            )
        other = kept.setdefault((report["name"], report["split"], report["tta"]), report)
        if (other["n"], other["correct"]) != (report["n"], report["correct"]):
            raise FerlabError(
                f"{other['folder']} and {report['folder']} are both {report['name']}, {report['split']}, "
                f"{report['tta']}, but {other['correct']} of {other['n']} and {report['correct']} of {report['n']} "
                "faces are right; give only one of them"
            )
    return list(kept.values())


def _named(pattern: str, data: str | None) -> list[Report]:
    entries = published.named(pattern) if data is None else None
    if entries is not None:
        return [report for entry in entries for report in entry.reports]
    inner = "reports/*" if data is None else f"{ELSEWHERE}/{glob.escape(data)}-*"
    paths = sorted({path for home in homes(pattern) for path in home.glob(f"{inner}/report.json")})
    if not paths:
        raise FerlabError(
            f"runs={pattern!r} has no {inner}/report.json; type python -m ferlab.evaluate {typed('runs', pattern)} "
            f"tta=none split=val{f' data={data}' if data else ''} first"
        )
    found = [load_report(path) for path in paths]
    return found if data is None else [report for report in found if report.get("data") == data]


def homes(pattern: str | Path) -> list[Path]:
    """The directories that a path or a glob names; outputs/ensembles and outputs/exported stand for what is in them."""
    return [
        inner for path in matching(pattern) for inner in (sorted(path.iterdir()) if path.name in GROUPS else [path])
    ]


class Tests(NamedTuple):
    """McNemar's tests as a table: a title that says what of, head and rows of words, and what was left out and why."""

    title: str
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    left_out: Sequence[str] = ()


def compare(
    reports: Sequence[Report],
    against: str | None = None,
    split: str | None = None,
    tta: str | None = None,
    settings: bool = True,
) -> str:
    """The table over reports that `read` gave, and McNemar's test of each run against one, as Markdown.

    Reports of several label systems, as FER2013's and FER+'s, make a table and tests each.

    Args:
        against: name of that one; None: the best on val.
        split, tta: of the tests and the detailed columns; None: what most runs have.
        settings: with a column for each setting in which the runs differ.

    Raises:
        FerlabError: no report is of that split and views, or none of `against`.
    """
    groups = markdown.by_labels(reports)
    if len(groups) == 1:
        return _compared(reports, against, split, tta, settings)
    if against is not None and all(r["name"] != against for r in reports):
        raise FerlabError(
            f"against={against!r} has no report; choose {', '.join(sorted({r['name'] for r in reports}))}"
        )
    parts = []
    for name, group in groups.items():
        asked = {"name": against, "split": split, "tta": tta}
        here = [wanted if any(r[key] == wanted for r in group) else None for key, wanted in asked.items()]
        parts.append(f"Measured with the labels of {name}:\n\n{_compared(group, here[0], here[1], here[2], settings)}")
    return "\n\n".join(parts)


def _compared(
    reports: Sequence[Report], against: str | None, split: str | None, tta: str | None, settings: bool
) -> str:
    split, tta = detail(reports, split, tta)
    found = mcnemar_tests(reports, split, tta, against)
    head, body, others = ranking.cells(reports, split, tta) if settings else (*markdown.cells(reports, split, tta), "")
    parts = [markdown.markdown(head, body), markdown.CAPTION + others, found.title]
    parts += [markdown.markdown(found.head, found.rows)] if found.rows else []
    parts += ["Left out: " + "; ".join(found.left_out) + "."] if found.left_out else []
    return "\n\n".join(parts)


def detail(reports: Sequence[Report], split: str | None, tta: str | None) -> tuple[str, str]:
    """As `markdown.detail`.

    Raises:
        FerlabError: no report is of what was asked for.
    """
    split, tta = markdown.detail(reports, split, tta)
    if not any((r["split"], r["tta"]) == (split, tta) for r in reports):
        there = sorted({f"split={r['split']} tta={r['tta']}" for r in reports})
        raise FerlabError(f"no report has split={split} tta={tta}; there are {'; '.join(there) or 'none'}")
    return split, tta


def mcnemar_tests(reports: Sequence[Report], split: str, tta: str, against: str | None = None) -> Tests:
    """McNemar's tests among the reports of one split and set of views; the title says why where there is none.

    Raises:
        FerlabError: there is no report of `against`.
    """
    here = [r for r in reports if (r["split"], r["tta"]) == (split, tta)]
    reference = _reference(reports, here, against)
    if len(here) < 2:
        return Tests("McNemar's test: only one result on this split with these views.")
    if reference is None:
        return Tests("McNemar's test: no report on val says which run is the best; give against=NAME.")
    correct, left_out = {}, []
    for r in (reference, *here):
        reason = unfit(r, reference)
        if reason:
            left_out.append(f"{r['name']}: {reason}")
        else:
            correct[r["name"]] = right(r)
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    if reference["name"] in correct and len(correct) > 1:
        head, rows = markdown.paired_cells(markdown.paired_tests(correct, reference["name"])[1], reference["name"])
    title = f"McNemar's exact test, {reference['split']}, tta={reference['tta']}, n = {reference['n']}:"
    return Tests(title, head, rows, list(dict.fromkeys(left_out)))


def _reference(reports: Sequence[Report], here: Sequence[Report], against: str | None) -> Report | None:
    names = {r["name"]: r for r in here}
    if against is not None:
        if against not in names:
            raise FerlabError(f"against={against!r} has no such report; choose {', '.join(sorted(names))}")
        return names[against]
    # Chosen on val whatever split is tested; with the same views where there are such reports.
    on_val = [r for r in reports if r["split"] == "val" and r["name"] in names]
    on_val = [r for r in on_val if r["tta"] == here[0]["tta"]] or on_val
    return names[max(on_val, key=lambda r: r["accuracy"])["name"]] if on_val else None


def load_report(path: Path) -> Report:
    """The content of one report.json, and `folder`, where it lies.

    Raises:
        FerlabError: it is none.
    """
    mend = "write it again with python -m ferlab.evaluate"
    try:
        shapes.read(shapes.Report, report := files.read_json(path, mend), "it", mend)
    except FerlabError as error:
        raise FerlabError(f"{path} is no report: {error}") from None
    return {**report, "folder": path.parent}


def right(report: Report) -> np.ndarray:
    """Which of a report's faces are right, bool [N]; `unfit` tells where it does not say."""
    if "predicted" in report:
        return np.asarray(report["predicted"] == report["labels"])
    return whole_array(report["folder"] / "correct.npy", np.dtype(bool), report["n"])


def whole_array(path: Path, dtype: np.dtype, n: int) -> np.ndarray:
    """An array [n] beside a report.

    Raises:
        FerlabError: it is damaged, or of another type or length.
    """
    try:
        found = np.load(path, allow_pickle=False)
        if found.dtype != dtype or found.shape != (n,):
            raise ValueError(f"it is {found.dtype} {list(found.shape)}, expected {dtype} [{n}]")
    except (OSError, ValueError, EOFError, AttributeError) as error:
        raise FerlabError(f"{path} cannot be read ({error}); evaluate its run again") from None
    return found


def unfit(report: Report, reference: Report) -> str | None:
    """Why a report cannot be tested against another face by face, or None where it can."""
    if "predicted" not in report and not (report["folder"] / "correct.npy").is_file():
        return f"no correct.npy beside {report['folder'] / 'report.json'}"
    if (report["n"], report.get("faces_sha256")) != (reference["n"], reference.get("faces_sha256")):
        return f"measured on other faces than {reference['name']}"
    return None


def _several(patterns: str | Sequence[str]) -> list[str]:
    return [patterns] if isinstance(patterns, str) else list(patterns)
