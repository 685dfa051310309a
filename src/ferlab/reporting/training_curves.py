"""Records of runs -> how they were trained: a table of all, and curves of the best."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ferlab.pages.report_figures import curves
from ferlab.pages.sections import PageFigure, PageTable, Section, figure
from ferlab.pages.words import percent
from ferlab.reporting import markdown
from ferlab.reporting.records import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWN = 8  # runs in a figure: more lines cannot be told apart
_PANELS = {"val/accuracy": "accuracy on val", "val/loss": "loss on val", "train/loss": "loss in training"}
_DASHES = ("-", "--")

Lines = Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]  # run -> metric -> (epoch, value)


def sections(records: Sequence[Record], curves_below: bool) -> list[Section]:
    """A section on training; without figures where the page has the curves of its one run below."""
    trained = [record for record in records if record.run]
    if not trained:
        return []
    lines = {r.name: {k: v for panel in curves(r.curves()).values() for k, v in panel.items()} for r in trained}
    lines = {name: found for name, found in lines.items() if found.keys() & _PANELS.keys()}
    rows = []
    for record in trained:
        told = [record.info.get(key) for key in ("status", "epochs", "best_epoch", "parameters", "seconds")]
        device = record.info.get("environment", {}).get("device", "–")
        top = max((value for _, value in lines.get(record.name, {}).get("val/accuracy", ())), default=None)
        words = ("–" if t is None else f"{t:,}" if isinstance(t, int) else str(t) for t in told)
        rows.append([record.name, *words, percent(top), device])
    head = ["run", "status", "epochs", "best epoch", "parameters", "seconds", "best val accuracy %", "device"]
    text = "" if len(lines) == len(trained) else "A run without metrics.csv has no curve."
    figures = [] if curves_below else _figures(trained, lines)
    return [Section("Training", text, [PageTable(head, rows, sortable=len(rows) > 1)], figures)]


def _figures(trained: Sequence[Record], lines: Lines) -> list[PageFigure]:
    """A figure for each label system: accuracies against other labels are not compared."""
    systems: dict[str, dict[str, Mapping[str, Sequence[tuple[float, float]]]]] = {}
    for record in trained:
        if record.name in lines:
            systems.setdefault(markdown.label_system(record.info), {})[record.name] = lines[record.name]
    return [_figure(name, best(of), len(of)) for name, of in systems.items()]


def best(lines: Lines) -> Lines:
    """The `DRAWN` runs with the highest accuracy on val in any epoch, the best first."""
    top = {name: max((y for _, y in of.get("val/accuracy", ())), default=-1.0) for name, of in lines.items()}
    return {name: lines[name] for name in sorted(top, key=lambda name: -top[name])[:DRAWN]}


def _figure(system: str, lines: Lines, n: int) -> PageFigure:
    last = {name: of["val/accuracy"][-1] for name, of in lines.items() if "val/accuracy" in of}
    words = "; ".join(f"{name} {y:.3f} in epoch {x:.0f}" for name, (x, y) in last.items())
    some = f"the best {len(lines)} of {n} runs" if n > len(lines) else f"{n} run{'s' * (n > 1)}"
    alt = f"Training curves on {system} of {some}; accuracy on val at last: {words}."
    values = [(name, key, x, y) for name, of in lines.items() for key in _PANELS for x, y in of.get(key, ())]
    head = ("run", "metric", "epoch", "value")
    return figure(draw, lines, alt, f"Training on {system}: {some}.", file=f"training_{system}", values=[head, *values])


def draw(drawing: "Figure", lines: Lines, colours: Mapping[str, Any]) -> None:
    """Draw a panel for each metric, a line for each run, and one legend for all."""
    there = [key for key in _PANELS if any(key in of for of in lines.values())]
    drawing.set_size_inches(5.4, 1.7 * len(there) + 0.17 * len(lines) + 0.4)
    panels = drawing.subplots(len(there), 1, sharex=True, squeeze=False)[:, 0]
    inks = colours["lines"]
    for axes, key in zip(panels, there, strict=True):
        for i, (name, of) in enumerate(lines.items()):
            points = of.get(key, ())
            axes.plot(
                *(zip(*points, strict=True) if points else ((), ())),
                color=inks[i % len(inks)],
                linestyle=_DASHES[i // len(inks) % len(_DASHES)],
                linewidth=1.2,
                marker="o" if len(points) == 1 else None,
                label=name,
            )
        axes.set_ylabel(_PANELS[key], fontsize=9)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("epoch")
    handles, names = panels[0].get_legend_handles_labels()
    drawing.legend(handles, names, loc="outside lower left", frameon=False, fontsize=8)
