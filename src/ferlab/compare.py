"""`python -m ferlab.compare`: written reports in, Markdown tables and McNemar's tests out. No model is run."""

import glob
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from ferlab import grid, grid_tables, tables
from ferlab.cli import command, plain
from ferlab.errors import FerlabError

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
        report = _load(path)
        other = kept.setdefault((report["name"], report["split"], report["tta"]), report)
        if (other["n"], other["correct"]) != (report["n"], report["correct"]):
            raise FerlabError(
                f"{other['folder']} and {path.parent} are both {report['name']}, {report['split']}, {report['tta']}, "
                f"but {other['correct']} of {other['n']} and {report['correct']} of {report['n']} faces are right; "
                "give only one of them"
            )
    return list(kept.values())


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
    split, tta = tables.detail(reports, split, tta)
    here = [r for r in reports if (r["split"], r["tta"]) == (split, tta)]
    if not here:
        there = sorted({f"split={r['split']} tta={r['tta']}" for r in reports})
        raise FerlabError(f"no report has split={split} tta={tta}; there are {'; '.join(there)}")
    return tables.table(reports, split, tta) + "\n\n" + _tests(reports, here, against)


def table2(reports: Sequence[dict[str, Any]], conf: dict[str, Any], split: str | None, tta: str | None) -> str:
    """The poster's Table 2 over reports that `read` gave, as Markdown; `conf` is table2 of conf/compare.yaml.

    Raises:
        FerlabError: as `grid.arrange`.
    """
    axes = grid.Axes(conf["models"], conf["data"], conf["class_weights"], conf["rows"])
    return grid_tables.render(grid.arrange(reports, axes, split, tta))


def splice(path: str | Path, name: str, text: str) -> None:
    """Put `text` between `<!-- table:NAME -->` and the next `<!-- /table -->` of a file.

    Raises:
        FerlabError: no such file, or not these two marks once each.
    """
    path, start, end = Path(path), f"<!-- table:{name} -->", "<!-- /table -->"
    if not path.is_file():
        raise FerlabError(f"into={str(path)!r} is no file; make it with the lines {start} and {end}")
    content = path.read_text(encoding="utf-8")
    before, found, rest = content.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed or start in rest:
        raise FerlabError(f"expected {start} once and {end} after it in {path}; put these two lines where it belongs")
    _write(path, f"{before}{start}\n{text}\n{end}{after}")


def _tests(reports: Sequence[dict[str, Any]], here: Sequence[dict[str, Any]], against: str | None) -> str:
    """McNemar's tests among the reports of one split and set of views; says why where there is none."""
    if len(here) < 2:
        return "McNemar's test: only one result on this split with these views."
    reference = _reference(reports, here, against)
    if reference is None:
        return "McNemar's test: no report on val says which run is the best; give against=NAME."
    correct, left_out = {}, []
    for r in (reference, *here):
        reason = tables.unfit(r, reference)
        if reason:
            left_out.append(f"{r['name']}: {reason}")
        else:
            correct[r["name"]] = np.load(r["folder"] / "correct.npy")
    lines = [f"McNemar's exact test, {reference['split']}, tta={reference['tta']}, n = {reference['n']}:"]
    if reference["name"] in correct and len(correct) > 1:
        lines += ["", tables.paired_tests(correct, reference["name"])[0]]
    if left_out:
        lines += ["", "Left out: " + "; ".join(dict.fromkeys(left_out)) + "."]
    return "\n".join(lines)


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


def _load(path: Path) -> dict[str, Any]:
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


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and only where something changes: what is as before keeps its time."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def _several(patterns: str | Sequence[str] | None) -> list[str]:
    return [patterns] if isinstance(patterns, str) else list(patterns or ())


def _glob(*patterns: str) -> list[Path]:
    return sorted({Path(p) for pattern in patterns for p in glob.glob(pattern)})


@command("compare")
def main(cfg: DictConfig) -> None:
    config = plain(cfg)
    if config["into"] and not config["name"]:
        raise FerlabError("into is given without name; type name=NAME as in <!-- table:NAME -->")
    if config["layout"] not in ("list", "table2"):
        raise FerlabError(f"layout is {config['layout']!r}; choose list or table2")
    if config["layout"] == "table2" and config["against"]:
        raise FerlabError("against is for layout=list: layout=table2 tests its rows; leave out one of them")
    reports, split, tta = read(config["runs"], config["reports"]), config["split"], config["tta"]
    if config["layout"] == "table2":
        markdown = table2(reports, config["table2"], split, tta)
    else:
        markdown = compare(reports, config["against"], split, tta)
    print(markdown)
    if config["out"]:
        Path(config["out"]).parent.mkdir(parents=True, exist_ok=True)
        _write(Path(config["out"]), markdown + "\n")
    if config["into"]:
        splice(config["into"], config["name"], markdown)


if __name__ == "__main__":
    main()
