"""Reports -> the Markdown tables that are published: accuracies of runs, and McNemar's tests between them.

What no report says is left out or a dash; no number is made here but a mean over seeds with its spread.
"""

import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferlab import files
from ferlab.data import labels
from ferlab.data.faces import split_title
from ferlab.errors import FerlabError
from ferlab.metrics.statistics import holm, interval95, mcnemar

_VIEWS = ("none", "flip", "poster8", "views8", "views12", "views24")  # order of columns; other sets follow by name
_SPLITS = ("val", "test")
Report = Mapping[str, Any]


def by_labels(reports: Sequence[Report]) -> dict[str, list[Report]]:
    """Reports by the label system that they were measured with: those of one are compared with each other alone."""
    found: dict[str, list[Report]] = {}
    for r in reports:
        found.setdefault(label_system(r), []).append(r)
    return found


def label_system(stated: Mapping[str, Any]) -> str:
    """The label system that a report or a run states; of older ones, that of their data."""
    return str(stated.get("label_system") or labels.named(str(stated.get("data"))))


def cells(
    reports: Sequence[Report], split: str | None = None, tta: str | None = None
) -> tuple[list[str], list[list[str]]]:
    """Head and rows: one row per run or ensemble, seeds of one configuration as mean ± sample standard deviation.

    Args:
        reports: contents of report.json files, each of one (run, split, set of views).
        split, tta: of the columns beside the accuracies; None: see `detail`.
    """
    rows = by_recipe(reports)
    columns = sorted({key for row in rows.values() for key in row}, key=order)
    split, tta = detail(reports, split, tta)
    titles = {s: title_of(reports, s) for s in _SPLITS}
    head = ["run", *(f"{titles[s]}, {view_title(t)}" for s, t in columns)]
    body = [[name, *(accuracy(row.get(key, ())) for key in columns)] for name, row in rows.items()]
    for title, column in _DETAILS.items():
        found = [column(row.get((split, tta), ())) for row in rows.values()]
        if any(c != "–" for c in found):
            head.append(f"{title} ({titles[split]}, {view_title(tta)})")
            body = [[*line, c] for line, c in zip(body, found, strict=True)]
    return head, body


CAPTION = (
    "Percent, with 95 % intervals (Wilson) over the choice of faces; several seeds as mean ± sample standard deviation "
    "with the mean of their intervals. Training twins are faces whose very pixels also stand in the training split."
)


def detail(reports: Sequence[Report], split: str | None = None, tta: str | None = None) -> tuple[str, str]:
    """(split, tta) of most reports among those asked for; of equals test before val, then the larger set."""
    keys = [(r["split"], r["tta"]) for r in reports]
    counts = Counter(key for key in keys if split in (None, key[0]) and tta in (None, key[1]))
    return max(counts, key=lambda key: (counts[key], order(key)), default=(split or "test", tta or "none"))


def paired_tests(
    correct: Mapping[str, np.ndarray], reference: str
) -> tuple[str, list[tuple[str, int, int, float, float]]]:
    """McNemar's test of each result against `reference`, as Markdown and as rows.

    Args:
        correct: name -> bool [N], which of the same N faces are right.

    Returns:
        The table, and (name, only the reference right, only the other right, p, p after Holm 1979) per other result.
    """
    raw = [(name, *mcnemar(correct[reference], other)) for name, other in correct.items() if name != reference]
    adjusted = holm([p for *_, p in raw])
    found = [(*row, p) for row, p in zip(raw, adjusted, strict=True)]
    return markdown(*paired_cells(found, reference)), found


def paired_cells(
    found: Sequence[tuple[str, int, int, float, float]], reference: str
) -> tuple[list[str], list[list[str]]]:
    """Head and rows in words of the tests that `paired_tests` gave."""
    head = ["against " + reference, "only it right", "only the other right", "p", "p, Holm"]
    return head, [[name, str(b), str(c), f"{p:.3g}", f"{q:.3g}"] for name, b, c, p, q in found]


def row_name(report: Report) -> str:
    """The run's name without its seed: seeds of one configuration share a row, anything else has its own."""
    name, seed = report["name"], report.get("seed")
    if len(report.get("members", [name])) != 1 or not isinstance(seed, int):
        return name
    return re.sub(rf"-s{seed}(?=-\d+$|$)", "", name)


def by_recipe(reports: Sequence[Report]) -> dict[str, dict[tuple[str, str], list[Report]]]:
    """Name of each row -> (split, set of views) -> reports, one a seed; in the order of the reports."""
    groups: dict[tuple[str, str], list[Report]] = {}
    for r in reports:
        # The name alone could be chosen freely; what it stands for must agree as well.
        kind = f"{r.get('model')}, {r.get('data')}, {r.get('class_weights')}"
        groups.setdefault((row_name(r), kind), []).append(r)
    rows: dict[str, dict[tuple[str, str], list[Report]]] = {}
    for (name, kind), group in groups.items():
        seeds = {str(r["name"]) for r in group}
        label = next(iter(seeds)) if len(seeds) == 1 else name
        label = label if label not in rows else f"{label} ({kind})"
        row = rows.setdefault(label, {})
        for r in group:
            row.setdefault((r["split"], r["tta"]), []).append(r)
    return rows


def title_of(reports: Sequence[Report], split: str) -> str:
    """What readers call the split of these reports."""
    titles = {split_title(str(r.get("data")), split) for r in reports if r["split"] == split}
    return titles.pop() if len(titles) == 1 else split


def order(key: tuple[str, str]) -> tuple:
    """Sorts (split, set of views): val first, then by the views' number."""
    split, tta = key
    return _SPLITS.index(split), _VIEWS.index(tta) if tta in _VIEWS else len(_VIEWS), tta


def view_title(tta: str) -> str:
    return "single view" if tta == "none" else tta


def accuracy(reports: Sequence[Report]) -> str:
    """As `cell`, of the accuracies of reports, one a seed; a dash of none."""
    return cell([r.get("accuracy") for r in reports], [r.get("interval95") for r in reports])


def _alone(reports: Sequence[Report]) -> str:
    alone = [r.get("without_train_twins") or {} for r in reports]
    return cell([a.get("accuracy") for a in alone], [a.get("interval95") for a in alone])


_DETAILS = {
    "without training twins": _alone,
    "macro recall": lambda reports: cell([r.get("macro_recall") for r in reports]),
    "disgust missed": lambda reports: cell([r.get("disgust_misclassification") for r in reports]),
}


def spread(values: Sequence[float | None], scale: float = 100.0) -> str:
    """Their mean ± sample standard deviation, in percent; a dash where one is not known."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return "–"
    text = f"{scale * statistics.mean(known):.1f}"
    return text if len(known) == 1 else f"{text} ± {scale * statistics.stdev(known):.1f}"


def cell(values: Sequence[float | None], intervals: Sequence[Sequence[float] | None] = ()) -> str:
    """As `spread`, with the mean of their intervals and the number of seeds."""
    text = spread(values)
    if text == "–":
        return text
    notes = [ends] if (ends := interval(intervals)) else []
    if len(values) > 1:
        notes.append(f"{len(values)} seeds")
    return text + (f" ({'; '.join(notes)})" if notes else "")


def interval(intervals: Sequence[Sequence[float] | None]) -> str:
    """The mean of intervals, in percent; empty where one is not known."""
    if not intervals or None in intervals:
        return ""
    return "–".join(f"{100 * statistics.mean(ends):.1f}" for ends in zip(*intervals, strict=True))


def markdown(head: Sequence[str], body: Sequence[Sequence[str]], words: Sequence[str] = ()) -> str:
    """A table: to the left its first column and those whose heads are in `words`, to the right the others."""
    lines = [head, ["---" if title in (head[0], *words) else "---:" for title in head], *body]
    return "\n".join("| " + " | ".join(safe(text).replace("|", "\\|") for text in line) + " |" for line in lines)


def safe(text: str) -> str:
    """A text with names of others in it as one line that holds no HTML, no link and no image."""
    return files.shown(text).replace("<", "&lt;").replace("](", "]\\(")


def bullets(lines: Sequence[str]) -> str:
    """A list in Markdown."""
    return "\n".join(f"- {safe(line)}" for line in lines)


def with_interval(value: float | None, ends: Sequence[float] | None) -> str:
    """A ratio in percent, with its interval in brackets where there is one."""
    return spread([value]) + (f" ({interval([ends])})" if ends else "")


def share(part: int, whole: int) -> str:
    """A proportion in percent with its 95 % interval (Wilson); words where there is nothing to divide by."""
    return with_interval(part / whole, interval95(part, whole)) if whole else "no face"


def unmeasured(what: str, command: str) -> str:
    """What stands in place of a number that no file holds."""
    return f"{what}: not measured; type `{command}`"


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
    files.write_text(path, f"{before}{start}\n{text}\n{end}{after}")
