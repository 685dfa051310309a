"""The poster's Table 2 as Markdown: the grids, then what a reader asks next: intervals, tests, cost, members."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

from ferlab.files import Config
from ferlab.metrics.statistics import holm, mcnemar
from ferlab.reporting import table2
from ferlab.reporting.markdown import Report, interval, markdown, spread, view_title
from ferlab.reporting.reports import right, unfit
from ferlab.reporting.table2 import ENSEMBLE, POSTER_ENSEMBLES, Column, Grid
from ferlab.runs import directory

_MODELS = {"vgg16": "VGG16", "resnet50": "ResNet50", "senet50": "SENet50"}
_ROWS = {"none": "no class weights", "balanced": "class weights", "fer2013": "FER2013", "fer2013+aux": "FER2013 + aux"}
_COLUMNS = {"none": "", "balanced": " weighted", "fer2013": "", "fer2013+aux": " + aux"}

_CAPTION = (
    "± is the sample standard deviation over seeds; intervals (95 %, Wilson; of several seeds their mean) are over the "
    "choice of faces. An ensemble is the mean of its members' probabilities. Training twins are faces whose very "
    "pixels also stand in the training split. A dash: not measured."
)


def render(grid: Grid) -> str:
    """Accuracy and disgust missed as grids; for each set of views details and McNemar's tests; cost; members."""
    parts = [_accuracy(grid), _disgust(grid), _CAPTION]
    for tta in grid.views:
        parts += [_details(grid, tta), *_tests(grid, tta)]
    return "\n\n".join([*parts, _costs(grid), *_members(grid)])


def _accuracy(grid: Grid) -> str:
    axes, body, note = grid.axes, _lines(grid, lambda r: r["accuracy"]), ""
    published = [[axes.published(row, column) for column in axes.columns] for row in axes.rows]
    if grid.split == "test" and any(any(line) for line in published):
        for row, figures in zip(axes.rows, published, strict=True):
            body.append([f"poster, {_row(row)}", *("–" if f is None else f"{f:.1f}" for f in figures)])
        note = "\n\nRows of the poster: its published figures (arXiv:2004.11823), not measured here."
        if axes.by == "class_weights":
            theirs = ", ".join(f"{POSTER_ENSEMBLES[d]} ({_row(d)})" for d in axes.data if d in POSTER_ENSEMBLES)
            note += f" Its ensembles are one a data set: {theirs}."
    n = grid.measured[0]["n"]
    return f"Accuracy, {grid.title(grid.split)}, percent of {n} faces:\n\n{_table(grid, body)}{note}"


def _disgust(grid: Grid) -> str:
    faces = (grid.measured[0].get("support") or {}).get("disgust")
    of = f" of {faces} faces" if faces else ""
    body = _lines(grid, lambda r: r.get("disgust_misclassification"))
    return f"Disgust misclassified, {grid.title(grid.split)}, percent{of}:\n\n{_table(grid, body)}"


def _details(grid: Grid, tta: str) -> str:
    splits = list(dict.fromkeys(("val", grid.split)))
    head = ["net", "", *map(grid.title, splits), "without training twins", "macro recall", "disgust missed"]
    body = []
    for row, column in _places(grid):
        by_split = [grid.at(row, column, split, tta) for split in splits]
        if any(by_split):
            here = by_split[-1]
            alone = [r.get("without_train_twins") or {} for r in here]
            short = [spread([r.get(key) for r in here]) for key in ("macro_recall", "disgust_misclassification")]
            body.append([_column(column), _row(row), *map(_with_interval, [*by_split, alone]), *short])
    return f"{_of(grid, tta)}, in detail, percent (95 % interval):\n\n{markdown(head, body)}"


def _tests(grid: Grid, tta: str) -> list[str]:
    """McNemar's test of the first row against each other one, in each column, seed by seed."""
    parts = []
    for row in grid.axes.rows[1:]:
        first, second = _row(grid.axes.rows[0]), _row(row)
        raw, left_out = [], []
        for label, a, b in _pairs(grid, row, tta):
            if reason := unfit(a, b) or unfit(b, a):
                left_out.append(f"{label}: {reason}")
            else:
                raw.append((label, *mcnemar(right(a), right(b))))
        adjusted = holm([p for *_, p in raw])
        body = [
            [label, str(only_a), str(only_b), f"{p:.3g}", f"{q:.3g}"]
            for (label, only_a, only_b, p), q in zip(raw, adjusted, strict=True)
        ]
        if body:
            head = ["net", f"only {first} right", f"only {second} right", "p", f"p, Holm over {len(body)}"]
            told = f"{_of(grid, tta)}, McNemar's exact test of {first} against {second}:"
            parts += [told, markdown(head, body)]
        if left_out:
            parts.append("Left out: " + "; ".join(left_out) + ".")
    return parts


def _pairs(grid: Grid, row: str, tta: str) -> list[tuple[str, Report, Report]]:
    pairs = []
    for column in grid.axes.columns:
        first, second = (grid.at(r, column, grid.split, tta) for r in (grid.axes.rows[0], row))
        if len(first) == len(second) == 1:
            pairs.append((_column(column), first[0], second[0]))
            continue
        by_seed = {str(r.get("seed")): r for r in second}
        for r in first:
            if other := by_seed.get(seed := str(r.get("seed"))):
                pairs.append((f"{_column(column)}, seed {seed}", r, other))
    return pairs


def _costs(grid: Grid) -> str:
    head = [
        "net",
        "",
        "start",
        "parameters",
        "seeds",
        "epochs",
        "seconds",
        "device",
        f"{grid.title('val')}, best epoch",
    ]
    body = []
    for row, column in _places(grid):
        runs = grid.runs(row, column)
        if column == ENSEMBLE or not runs:
            continue
        infos = [r.get("run") or {} for r in runs]
        body.append(
            [
                _column(column),
                _row(row),
                _each(how_trained(r.get("config") or {}) for r in runs),
                _each(map(_millions, runs)),
                str(len(runs)),
                _each(info.get("epochs") for info in infos),
                spread([info.get("seconds") for info in infos], 1.0),
                _each((info.get("environment") or {}).get("device") for info in infos),
                spread([info.get("val_accuracy") for info in infos]),
            ]
        )
    more = "Seconds are of the run itself: without those of its teachers and of the run that it starts from."
    more = "" if all(line[2] in ("from scratch", "pretrained") for line in body) else f"\n\n{more}"
    return f"How each was trained, and what it took:\n\n{markdown(head, body)}{more}"


def how_trained(config: Config) -> str:
    """Where a run's weights and targets came from; configs from before these keys existed are from scratch.

    Weights of one of our own runs are named as such: what they were trained on is no other data set's knowledge.
    """
    weights, told = config.get("weights"), []
    if weights not in (None, "none"):
        path = PurePosixPath(weights)
        told.append(
            f"from {path.parts[-3]}" if path.parts[-2:] == directory.WEIGHTS and len(path.parts) > 2 else "pretrained"
        )
    if config.get("teacher"):
        told.append("distilled")
    return ", ".join(told) or "from scratch"


def _members(grid: Grid) -> list[str]:
    lines = [
        f"- ensemble of {_row(row)}, `{r['name']}`, {_millions(r)} parameters: {', '.join(r['members'])}"
        for row in grid.axes.rows
        for r in grid.runs(row, ENSEMBLE)
    ]
    return ["\n".join(lines)] if lines else []


def _places(grid: Grid) -> list[tuple[str, Column]]:
    return [(row, column) for column in grid.axes.columns for row in grid.axes.rows]


def _lines(grid: Grid, value: Callable[[Report], float | None]) -> list[list[str]]:
    """A line for each set of views and row, with a cell for each column."""
    return [
        [
            _row(row) + ("" if tta == "none" else f", {tta}"),
            *(spread([value(r) for r in grid.at(row, column, grid.split, tta)]) for column in grid.axes.columns),
        ]
        for tta in grid.views
        for row in grid.axes.rows
    ]


def _table(grid: Grid, body: Sequence[Sequence[str]]) -> str:
    return markdown(["", *map(_column, grid.axes.columns)], body)


def _of(grid: Grid, tta: str) -> str:
    return f"{grid.title(grid.split)}, {view_title(tta)}"


def _row(value: str) -> str:
    return _ROWS.get(value, value)


def _column(column: Column) -> str:
    model, other = column
    return model if column == ENSEMBLE else _MODELS.get(model, model) + _COLUMNS.get(other, f" {other}")


def _with_interval(measured: Sequence[Report]) -> str:
    text = spread([m.get("accuracy") for m in measured])
    ends = interval([m.get("interval95") for m in measured])
    return f"{text} ({ends})" if ends else text


def _each(values: Iterable[Any]) -> str:
    """What several seeds have in common, or every value there is."""
    return " / ".join(dict.fromkeys("–" if value is None else str(value) for value in values))


def _millions(report: Report) -> str:
    parameters = report.get("parameters")
    return f"{parameters / 1e6:.1f} M" if isinstance(parameters, int) else "–"


def poster_table(reports: Sequence[Report], conf: Config, split: str | None, tta: str | None) -> str:
    """The poster's Table 2 over reports that `read` gave, as Markdown; `conf` is table2 of conf/compare.yaml.

    Raises:
        FerlabError: as `grid.arrange`.
    """
    axes = table2.Axes(conf["models"], conf["data"], conf["class_weights"], conf["rows"])
    return render(table2.arrange(reports, axes, split, tta))
