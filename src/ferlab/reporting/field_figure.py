"""The list of systems as a picture: accuracy with its interval, against parameters, and against the time of a face."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ferlab.reporting.field import FIELD, LOW, OURS, POSTER, System

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 0.2  # inches; at this and the widths below letters of 10 points fit a screen, and a telephone of 390 pixels
_WIDE, _NARROW = 7.6, 4.2
_GROUPS = {OURS: "ferlab", POSTER: "the poster", FIELD: "others"}  # in the order of the legend


class Speed(NamedTuple):
    """An exported model of which both were measured.

    Attributes:
        accuracy: a ratio in 0..1.
        ms: CPU time of a face on one thread.
    """

    name: str
    accuracy: float
    ms: float


class Content(NamedTuple):
    """What `draw` draws.

    Attributes:
        systems: in the order of their rows, from the top.
        speeds: exported models.
        narrow: the small panels below the rows and not beside them, for a telephone.
    """

    systems: Sequence[System]
    speeds: Sequence[Speed]
    narrow: bool = False


def draw(figure: "Figure", content: Content, colours: dict[str, Any]) -> None:
    """Draw the panels; that of time only where times were measured."""
    panels = _panels(figure, content)
    inks = {OURS: colours["first"], POSTER: colours["second"], FIELD: colours["lines"][5]}
    _rows(panels["rows"], content.systems, inks, colours)
    _size(panels["size"], content.systems, inks)
    if content.speeds:
        _time(panels["time"], content.speeds, inks[OURS])
    for axes in panels.values():
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color=colours["faint"], linewidth=0.5, alpha=0.6)
        axes.set_axisbelow(True)
    _legend(figure, inks, 2 if content.narrow else 4)


def _panels(figure: "Figure", content: Content) -> "dict[str, Axes]":
    rows, other = max(20, len(content.systems)) * _ROW, "time" if content.speeds else "size"
    if content.narrow:
        above, below = rows + 1.4, 3.0
        figure.set_size_inches(_NARROW, above + below)
        # Panels of two figures need not stand in line.
        first, second = figure.subfigures(2, 1, squeeze=False, height_ratios=[above, below]).flat
        return first.subplot_mosaic([["rows"]]) | second.subplot_mosaic([["size", other]])
    figure.set_size_inches(_WIDE, rows + 1.4)
    return figure.subplot_mosaic([["rows", "size"], ["rows", other]], width_ratios=[3, 2])


def _point(axes: "Axes", x: float, y: float, ink: str, hollow: bool, what: str) -> None:
    """A dot whose id in the SVG says what it is and where, as a test reads it."""
    name = re.sub(r"[^\w.]+", "-", f"{what} {x:.4f} {y:.4f}")
    axes.plot(x, y, "o", color=ink, markerfacecolor="none" if hollow else ink, markersize=5.5, gid=name)


def _rows(axes: "Axes", systems: Sequence[System], inks: dict[str, str], colours: dict[str, Any]) -> None:
    places = range(len(systems) - 1, -1, -1)
    for y, one in zip(places, systems, strict=True):
        low, high = (100 * end for end in one.interval)
        axes.plot((low, high), (y, y), color=inks[one.group], linewidth=1.2, alpha=0.7)
        _point(axes, 100 * one.accuracy, y, inks[one.group], one.trust == LOW, f"accuracy {one.name}")
    best = max((100 * one.accuracy for one in systems if one.group == POSTER), default=None)
    if best is not None:
        axes.axvline(best, color=inks[POSTER], linewidth=0.8, linestyle="--")
    axes.set_yticks(places, [one.name for one in systems])
    for text, one in zip(axes.get_yticklabels(), systems, strict=True):
        text.set_color(inks[one.group] if one.group != FIELD else colours["ink"])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.7, len(systems) - 0.3)
    axes.set_xlabel("accuracy on PrivateTest, %")


def _size(axes: "Axes", systems: Sequence[System], inks: dict[str, str]) -> None:
    known = [(one, one.parameters / 1e6) for one in systems if one.parameters]
    for one, millions in known:
        _point(axes, millions, 100 * one.accuracy, inks[one.group], one.trust == LOW, f"parameters {one.name}")
    named = [(one.part, millions, 100 * one.accuracy) for one, millions in known if one.group == POSTER]
    _names(axes, named, inks[POSTER])
    _on_a_log_scale(axes, "parameters, millions")


def _time(axes: "Axes", speeds: Sequence[Speed], ink: str) -> None:
    for one in speeds:
        _point(axes, one.ms, 100 * one.accuracy, ink, False, f"time {one.name}")
    _names(axes, [(one.name, one.ms, 100 * one.accuracy) for one in speeds], ink)
    axes.margins(0.2)
    _on_a_log_scale(axes, "ms a face, one thread")


def _names(axes: "Axes", named: Sequence[tuple[str, float, float]], ink: str) -> None:
    """Names to the right of points, but to the left of those that stand in the last third of the panel."""
    xs = [x for _, x, _ in named]
    for name, x, y in named:
        side = -1 if x > min(xs) ** (1 / 3) * max(xs) ** (2 / 3) else 1
        aside: dict[str, Any] = {"ha": "left" if side == 1 else "right", "va": "center", "color": ink, "fontsize": 8}
        axes.annotate(name, (x, y), (6 * side, 0), textcoords="offset points", **aside)


def _on_a_log_scale(axes: "Axes", label: str) -> None:
    from matplotlib.ticker import LogLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_xlabel(label)
    axes.set_ylabel("accuracy, %")


def _legend(figure: "Figure", inks: dict[str, str], columns: int) -> None:
    from matplotlib.lines import Line2D

    def dot(ink: str, label: str, face: str) -> Line2D:
        return Line2D([], [], marker="o", linestyle="none", color=ink, markerfacecolor=face, label=label)

    dots = [dot(inks[group], name, inks[group]) for group, name in _GROUPS.items()]
    dots.append(dot(inks[FIELD], "hollow: low trust", "none"))
    figure.legend(handles=dots, loc="outside upper center", ncols=columns, frameon=False, handletextpad=0.1)
