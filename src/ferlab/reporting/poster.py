"""The poster's figures beside ours, a row each: README's table and the picture beside it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ferlab.errors import FerlabError
from ferlab.reporting import markdown, recipes
from ferlab.reporting.field import System
from ferlab.reporting.recipes import Recipe

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Measured:
    """An accuracy on PrivateTest in one set of views.

    Attributes:
        accuracy, low, high: ratios in 0..1, of several seeds means; the interval is Wilson's of 95 %.
    """

    views: str
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Pair:
    """A system of the poster, and ours of the same kind.

    Attributes:
        single: ours in a single view; None where it was measured in several views alone.
        several: ours in the views that the list prefers, else in those that it has.
    """

    poster: System
    ours: Recipe
    single: Measured | None
    several: Measured | None

    @property
    def best_known(self) -> Measured:
        """The single view where it was measured, as the poster's nets were."""
        found = self.single or self.several
        assert found  # `pairs` takes what was measured on test
        return found


def pairs(others: Sequence[System], rows: Sequence[Recipe], views: str) -> list[Pair]:
    """Each row of others with `ours`, and our row of that name; of a glob the row that is best on val, single view.

    Raises:
        FerlabError: no row of results/ that was measured on test has such a name.
    """
    return [_pair(one, rows, views) for one in others if one.ours]


def _pair(one: System, rows: Sequence[Recipe], views: str) -> Pair:
    measured = {row.name: row for row in rows if row.best_known("test", views)[1]}
    matching = [row for name, row in measured.items() if fnmatchcase(name, one.ours or "")]
    if not matching:
        raise FerlabError(f"ours is {one.ours!r} for {one.name}; choose one of {', '.join(sorted(measured))}")
    ours = max(matching, key=lambda row: _mean(row.of("val", recipes.SINGLE) or row.best_known("val", views)[1]))
    several = ours.several("test", views)
    return Pair(one, ours, _measured(ours, recipes.SINGLE), _measured(ours, several) if several else None)


def _mean(reports: Sequence[markdown.Report]) -> float:
    return statistics.mean(r["accuracy"] for r in reports) if reports else 0.0


def _measured(row: Recipe, views: str) -> Measured | None:
    found = row.of("test", views)
    ends = [statistics.mean(r["interval95"][end] for r in found) for end in (0, 1)] if found else []
    return Measured(views, _mean(found), *ends) if found else None


def table(found: Sequence[Pair]) -> str:
    """Three columns as Markdown: the net, the poster's accuracy and ours; the higher one of a row is bold."""
    body = []
    for pair in found:
        ours = pair.best_known
        theirs, own = f"{100 * pair.poster.accuracy:.1f}", markdown.with_interval(ours.accuracy, (ours.low, ours.high))
        figure, _, interval = own.partition(" ")
        if pair.poster.accuracy > ours.accuracy:
            theirs = f"**{theirs}**"
        else:
            figure = f"**{figure}**"
        body.append([pair.poster.part, theirs, f"{figure} {interval}"])
    return markdown.markdown(["net", "poster", "ferlab"], body)


def draw(figure: "Figure", found: Sequence[Pair], colours: dict[str, Any]) -> None:
    """Draw a row for each pair: the poster's figure, ours in a single view and in several, with intervals."""
    figure.set_size_inches(5.2, 0.52 * len(found) + 1.1)
    axes = figure.add_subplot()
    places = range(len(found) - 1, -1, -1)
    inks = {"poster": colours["second"], "single": colours["first"], "several": colours["lines"][2]}
    for y, pair in zip(places, found, strict=True):
        theirs = Measured("", pair.poster.accuracy, *pair.poster.interval)
        for name, one, mark, lift in (
            ("several", pair.several, "s", 0.2),
            ("single", pair.single, "o", 0.0),
            ("poster", theirs, "D", -0.2),
        ):
            if one:
                _mark(axes, one, (y + lift, inks[name], mark), f"{name} {pair.poster.part}")
    axes.set_yticks(places, [pair.poster.part for pair in found])
    axes.set_ylim(-0.6, len(found) - 0.4)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("accuracy on PrivateTest, %, with 95 % intervals")
    axes.grid(axis="x", color=colours["faint"], linewidth=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    _legend(figure, inks)


def _mark(axes: "Axes", one: Measured, look: tuple[float, str, str], what: str) -> None:
    """A point with its interval; its id in the SVG says what it is and where, as a test reads it."""
    y, ink, mark = look
    axes.plot((100 * one.low, 100 * one.high), (y, y), color=ink, linewidth=1.2, alpha=0.6)
    name = f"{what} {one.accuracy:.4f}".replace(" ", "-")
    axes.plot(100 * one.accuracy, y, mark, color=ink, markersize=5.5, gid=name)


def _legend(figure: "Figure", inks: dict[str, str]) -> None:
    from matplotlib.lines import Line2D

    kinds = (("poster", "D", "poster"), ("single", "o", "ferlab, one view"), ("several", "s", "ferlab, twelve views"))
    lines = [
        Line2D([], [], marker=mark, linestyle="none", color=inks[name], label=label, markersize=5.5)
        for name, mark, label in kinds
    ]
    figure.legend(handles=lines, loc="outside upper center", ncols=3, frameon=False, handletextpad=0.1, columnspacing=1)
