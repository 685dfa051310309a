"""The reliability diagram: how often predictions of each confidence are right, after Guo et al. 2017."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ferlab.metrics.statistics import interval95

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEAD = ("up to confidence", "faces", "mean confidence", "accuracy", "low", "high")
Bins = Sequence[Mapping[str, Any]]  # `up_to`, `n`, `confidence`, `accuracy`, as in a report


def rows(bins: Bins) -> list[list[float]]:
    """A row of `HEAD` for each bin that holds a face; `low` and `high` are the ends of Wilson's 95 % interval."""
    held = [b for b in bins if b["n"]]
    return [
        [b["up_to"], b["n"], b["confidence"], b["accuracy"], *(interval95(round(b["accuracy"] * b["n"]), b["n"]) or ())]
        for b in held
    ]


def diagrams(drawing: "Figure", by_title: Mapping[str, Bins], colours: Mapping[str, Any]) -> None:
    """Draw a diagram for each entry, side by side, with the number of faces in each bin below it."""
    drawing.set_size_inches(4.4 * len(by_title), 4.4)
    grid = drawing.subplots(2, len(by_title), sharex=True, sharey="row", height_ratios=(3, 1), squeeze=False)
    for upper, lower, (title, bins) in zip(*grid, by_title.items(), strict=True):
        held, width = rows(bins), 1 / len(bins)
        places = [row[0] - width / 2 for row in held]
        accuracy = [row[3] for row in held]
        spread = [[max(a - row[4], 0) for a, row in zip(accuracy, held, strict=True)]]
        spread += [[max(row[5] - a, 0) for a, row in zip(accuracy, held, strict=True)]]
        upper.bar(places, accuracy, width=0.85 * width, color=colours["first"], alpha=0.6)
        upper.errorbar(
            places, accuracy, spread, fmt="none", ecolor=colours["ink"], elinewidth=0.9, label="95 % interval"
        )
        upper.plot([0, 1], [0, 1], color=colours["second"], linestyle="--", linewidth=1, label="calibrated")
        upper.plot([row[2] for row in held], accuracy, "o", color=colours["second"], ms=4, label="mean confidence")
        upper.set(xlim=(0, 1), ylim=(0, 1))
        upper.set_title(title, fontsize=10)
        lower.bar(places, [row[1] for row in held], width=0.85 * width, color=colours["faint"])
        for place, row in zip(places, held, strict=True):
            lower.annotate(f"{row[1]}", (place, row[1]), (0, 2), textcoords="offset points", ha="center", fontsize=6)
        lower.set_xlabel("confidence (highest probability)")
        lower.margins(y=0.25)
        for axes in (upper, lower):
            axes.spines[["top", "right"]].set_visible(False)
    grid[0, 0].set_ylabel("accuracy")
    grid[1, 0].set_ylabel("faces")
    named = dict(zip(*reversed(grid[0, 0].get_legend_handles_labels()), strict=True))
    drawing.legend(named.values(), named, loc="outside upper center", ncols=3, frameon=False, fontsize=8)
