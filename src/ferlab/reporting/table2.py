"""Reports -> the cells of the poster's Table 2: nets x data x class weights, and an ensemble of each row.

A cell is found by what a report says it is of, never by its name, and never by how good it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ferlab.data.faces import split_title
from ferlab.errors import FerlabError
from ferlab.reporting.markdown import Report, order

Kind = tuple[str, str, str]  # model, data, class weights
Column = tuple[str, str]  # model, and data or class weights: the one that is not in the rows
ENSEMBLE: Column = ("ensemble", "")

# Accuracy on PrivateTest in percent as published: the poster of Khanzada, Bai & Celepcikay, CS230, 2020
# (arXiv:2004.11823), "Adding auxiliary data improved accuracy on most of our models". Its ensembles are one a data set.
POSTER: dict[Kind, float] = {
    ("resnet50", "fer2013", "none"): 73.2,
    ("resnet50", "fer2013", "balanced"): 67.7,
    ("senet50", "fer2013", "none"): 70.0,
    ("senet50", "fer2013", "balanced"): 68.9,
    ("vgg16", "fer2013", "none"): 69.5,
    ("vgg16", "fer2013", "balanced"): 70.0,
    ("resnet50", "fer2013+aux", "none"): 72.7,
    ("resnet50", "fer2013+aux", "balanced"): 72.4,
    ("senet50", "fer2013+aux", "none"): 72.5,
    ("senet50", "fer2013+aux", "balanced"): 71.6,
    ("vgg16", "fer2013+aux", "none"): 70.2,
    ("vgg16", "fer2013+aux", "balanced"): 69.6,
}
POSTER_ENSEMBLES = {"fer2013": 74.8, "fer2013+aux": 75.8}


class Axes:
    """What the grid is over, in its order; `by` is `class_weights` or `data`, which is in the rows."""

    def __init__(self, models: Sequence[str], data: Sequence[str], class_weights: Sequence[str], by: str):
        if by not in ("class_weights", "data"):
            raise FerlabError(f"table2.rows is {by!r}; choose class_weights or data")
        self.models, self.data, self.class_weights, self.by = models, data, class_weights, by
        self.rows, others = (class_weights, data) if by == "class_weights" else (data, class_weights)
        self.columns: list[Column] = [*((model, other) for other in others for model in models), ENSEMBLE]
        self.kinds = {self.kind(row, column): (row, column) for row in self.rows for column in self.columns[:-1]}

    def kind(self, row: str, column: Column) -> Kind:
        model, other = column
        return (model, other, row) if self.by == "class_weights" else (model, row, other)

    def published(self, row: str, column: Column) -> float | None:
        """The poster's figure for a cell."""
        if column != ENSEMBLE:
            return POSTER.get(self.kind(row, column))
        return POSTER_ENSEMBLES.get(row)


@dataclass(frozen=True)
class Grid:
    """The reports of each cell, and the split and the sets of views that tables over them are of."""

    axes: Axes
    cells: dict[tuple[str, Column], list[Report]]
    split: str
    views: list[str]

    def at(self, row: str, column: Column, split: str, tta: str) -> list[Report]:
        """A cell's reports of a split and a set of views, one a seed."""
        here = [r for r in self.cells.get((row, column), ()) if (r["split"], r["tta"]) == (split, tta)]
        return sorted(here, key=lambda r: str(r.get("seed")))

    def runs(self, row: str, column: Column) -> list[Report]:
        """Any report of each run or ensemble of a cell."""
        return list({r["name"]: r for r in self.cells.get((row, column), ())}.values())

    def title(self, split: str) -> str:
        return split_title(", ".join(dict.fromkeys(str(r.get("data")) for r in self._all)), split)

    @cached_property
    def measured(self) -> list[Report]:
        """All reports of the split."""
        return [r for r in self._all if r["split"] == self.split]

    @property
    def _all(self) -> list[Report]:
        return [r for there in self.cells.values() for r in there]


def arrange(reports: Sequence[Report], axes: Axes, split: str | None = None, tta: str | None = None) -> Grid:
    """Put reports into the grid; those that are of no cell are left out.

    Args:
        split: None: test, or val where nothing is measured on test.
        tta: the set of views beside the single view; None: all that there are.

    Raises:
        FerlabError: no report is of the grid or of `split` and `tta`; two would stand in one cell for one seed; the
            cells are measured on different faces.
    """
    cells = _placed(reports, axes)
    there = sorted({(r["split"], r["tta"]) for reports in cells.values() for r in reports}, key=order)
    if not there:
        raise FerlabError(
            f"no report is of model {', '.join(axes.models)} on {', '.join(axes.data)} with class_weights "
            f"{', '.join(axes.class_weights)}; type make table2, or give table2.models, table2.data"
        )
    split = split or there[-1][0]  # val comes first
    views = [t for s, t in there if s == split and (tta is None or t in ("none", tta))]
    if not views or (tta and tta not in views):
        found = "; ".join(f"split={s} tta={t}" for s, t in there)
        raise FerlabError(f"no report of the grid has split={split}{f' tta={tta}' if tta else ''}; there are {found}")
    grid = Grid(axes, cells, split, views)
    _refuse_other_faces(grid.measured)
    return grid


def _placed(reports: Sequence[Report], axes: Axes) -> dict[tuple[str, Column], list[Report]]:
    cells: dict[tuple[str, Column], list[Report]] = {}
    ensembles: dict[str, dict[tuple[Kind, ...], list[Report]]] = {}
    for r in reports:
        own = _kinds(r)
        if not own or any(kind not in axes.kinds for kind in own):
            continue
        rows = {axes.kinds[kind][0] for kind in own}
        if len(own) == 1:
            cells.setdefault(axes.kinds[own[0]], []).append(r)
        elif len(rows) == 1 and len(set(own)) > 1:
            ensembles.setdefault(rows.pop(), {}).setdefault(tuple(sorted(own)), []).append(r)
    for row, candidates in ensembles.items():
        most = max((len(set(own)), len(own)) for own in candidates)
        largest = [own for own in candidates if (len(set(own)), len(own)) == most]
        if len(largest) > 1:
            names = sorted({str(r["name"]) for own in largest for r in candidates[own]})
            raise FerlabError(f"the row {row} has several ensembles, {', '.join(names)}; give only one of them")
        cells[row, ENSEMBLE] = candidates[largest[0]]
    for there in cells.values():
        _refuse_twice(there)
    return cells


def _kinds(report: Report) -> list[Kind]:
    """What a report's members are of."""
    members = report.get("members", [report["name"]])
    infos = [report] if len(members) == 1 else [(report.get("run") or {}).get(name, {}) for name in members]
    return [(str(info.get("model")), str(info.get("data")), str(info.get("class_weights"))) for info in infos]


def _refuse_twice(there: Sequence[Report]) -> None:
    seen: dict[tuple[str, str, str], Report] = {}
    for r in there:
        if (other := seen.setdefault((r["split"], r["tta"], str(r.get("seed"))), r)) is not r:
            raise FerlabError(
                f"{other['name']} and {r['name']} are of one cell and one seed ({other['folder']}, {r['folder']}); "
                "give only one of them"
            )


def _refuse_other_faces(measured: Sequence[Report]) -> None:
    first = measured[0]
    for r in measured:
        if (first["n"], first.get("faces_sha256")) != (r["n"], r.get("faces_sha256")):
            raise FerlabError(
                f"{first['name']} and {r['name']} were measured on different {first['split']} faces ({first['n']} and "
                f"{r['n']}), and a grid needs the same; evaluate them again on one data set"
            )
