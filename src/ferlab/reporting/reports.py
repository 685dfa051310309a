"""Written reports: found, read, and compared. No model is run."""

import glob
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ferlab.errors import FerlabError
from ferlab.reporting import markdown

_NEEDED = ("name", "split", "tta", "n", "correct", "accuracy")


def read(runs: str | Sequence[str] | None = None, reports: str | Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Contents of the report.json files of run or ensemble directories and of plain paths or globs.

    Each also gets `folder`, where it was found. The same report found twice (in outputs and published) counts once.

    Raises:
        FerlabError: a pattern finds no report, a file is none, or two reports of one thing disagree.
    """
    paths: list[Path] = []
    for pattern in _several(runs):
        # outputs/* also holds outputs/ensembles, whose reports lie one folder deeper.
        found = _glob(f"{pattern}/reports/*/report.json", f"{pattern}/*/reports/*/report.json")
        if not found:
            raise FerlabError(
                f"runs={pattern!r} has no reports/*/report.json; "
                f"type python -m ferlab.evaluate runs={pattern!r} tta=none split=val first"
            )
        paths += found
    for pattern in _several(reports):
        found = [p for p in _glob(pattern) if p.is_file()]
        if not found:
            raise FerlabError(f"reports={pattern!r} matches no file; expected results/NAME/SPLIT-TTA/report.json")
        paths += found
    if not paths:
        raise FerlabError("nothing to compare; type runs='outputs/*' or reports='results/*/*/report.json'")
    kept: dict[tuple[str, str, str], dict[str, Any]] = {}
    for path in dict.fromkeys(paths):
        report = load_report(path)
        other = kept.setdefault((report["name"], report["split"], report["tta"]), report)
        if (other["n"], other["correct"]) != (report["n"], report["correct"]):
            raise FerlabError(
                f"{other['folder']} and {path.parent} are both {report['name']}, {report['split']}, {report['tta']}, "
                f"but {other['correct']} of {other['n']} and {report['correct']} of {report['n']} faces are right; "
                "give only one of them"
            )
    return list(kept.values())


class Tests(NamedTuple):
    """McNemar's tests as a table: a title that says what of, head and rows of words, and what was left out and why."""

    title: str
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    left_out: Sequence[str] = ()


def compare(
    reports: Sequence[dict[str, Any]], against: str | None = None, split: str | None = None, tta: str | None = None
) -> str:
    """The table over reports that `read` gave, and McNemar's test of each run against one, as Markdown.

    Args:
        against: name of that one; None: the best on val.
        split, tta: of the tests and the detailed columns; None: what most runs have.

    Raises:
        FerlabError: no report is of that split and views, or none of `against`.
    """
    split, tta = detail(reports, split, tta)
    found = mcnemar_tests(reports, split, tta, against)
    parts = [markdown.table(reports, split, tta), found.title]
    parts += [markdown.markdown(found.head, found.rows)] if found.rows else []
    parts += ["Left out: " + "; ".join(found.left_out) + "."] if found.left_out else []
    return "\n\n".join(parts)


def detail(reports: Sequence[dict[str, Any]], split: str | None, tta: str | None) -> tuple[str, str]:
    """As `tables.detail`.

    Raises:
        FerlabError: no report is of what was asked for.
    """
    split, tta = markdown.detail(reports, split, tta)
    if not any((r["split"], r["tta"]) == (split, tta) for r in reports):
        there = sorted({f"split={r['split']} tta={r['tta']}" for r in reports})
        raise FerlabError(f"no report has split={split} tta={tta}; there are {'; '.join(there) or 'none'}")
    return split, tta


def mcnemar_tests(reports: Sequence[dict[str, Any]], split: str, tta: str, against: str | None = None) -> Tests:
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
        reason = markdown.unfit(r, reference)
        if reason:
            left_out.append(f"{r['name']}: {reason}")
        else:
            correct[r["name"]] = np.load(r["folder"] / "correct.npy")
    head, rows = (), ()
    if reference["name"] in correct and len(correct) > 1:
        head, rows = markdown.paired_cells(markdown.paired_tests(correct, reference["name"])[1], reference["name"])
    title = f"McNemar's exact test, {reference['split']}, tta={reference['tta']}, n = {reference['n']}:"
    return Tests(title, head, rows, list(dict.fromkeys(left_out)))


def _reference(reports: Sequence[dict], here: Sequence[dict], against: str | None) -> dict[str, Any] | None:
    names = {r["name"]: r for r in here}
    if against is not None:
        if against not in names:
            raise FerlabError(f"against={against!r} has no such report; choose {', '.join(sorted(names))}")
        return names[against]
    # Chosen on val whatever split is tested; with the same views where there are such reports.
    on_val = [r for r in reports if r["split"] == "val" and r["name"] in names]
    on_val = [r for r in on_val if r["tta"] == here[0]["tta"]] or on_val
    return names[max(on_val, key=lambda r: r["accuracy"])["name"]] if on_val else None


def load_report(path: Path) -> dict[str, Any]:
    """The content of one report.json, and `folder`, where it lies.

    Raises:
        FerlabError: it is none.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in _NEEDED if key not in report]
    except (OSError, ValueError, TypeError) as error:
        raise FerlabError(f"{path} is no report ({error}); write it again with python -m ferlab.evaluate") from None
    if missing or report["split"] not in ("val", "test"):
        raise FerlabError(
            f"{path} is no report: {', '.join(missing) or 'split'} is missing or unknown; "
            "write it again with python -m ferlab.evaluate"
        )
    return {**report, "folder": path.parent}


def _several(patterns: str | Sequence[str] | None) -> list[str]:
    return [patterns] if isinstance(patterns, str) else list(patterns or ())


def _glob(*patterns: str) -> list[Path]:
    return sorted({Path(p) for pattern in patterns for p in glob.glob(pattern)})
