"""The figures of a report: confusion matrix, reliability, training curves, each with its values as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from ferlab.expressions import EXPRESSIONS, K
from ferlab.pages import reliability
from ferlab.pages.figures import THEMES
from ferlab.pages.sections import PageFigure, PageTable, figure
from ferlab.pages.words import ends, percent

Shown = dict[str, PageTable | PageFigure]


def of_report(report: Mapping[str, Any], metrics_rows: Sequence[Mapping[str, Any]] = ()) -> Shown:
    """A report's `by_expression`, `confusion`, `reliability` and, with rows of metrics.csv, `training`."""
    matrix, lines = np.asarray(report["confusion_matrix"]), curves(metrics_rows)
    found: Shown = {
        "by_expression": by_expression(report),
        "confusion": figure(
            confusion_matrix,
            matrix,
            "Confusion matrix: rows are labels, columns predictions; each cell the share of its row in percent and the "
            "number of faces.",
            "Percent of the row's faces, and how many they are.",
            file="confusion_matrix",
            values=[["label", *EXPRESSIONS], *([name, *row] for name, row in zip(EXPRESSIONS, matrix, strict=True))],
        ),
        "reliability": figure(
            reliability.diagrams,
            {"": report["reliability"]},
            "Reliability diagram: accuracy against confidence in 15 bins, and the number of faces in each bin.",
            f"Calibration error {percent(report['ece'])} % (15 bins) · negative log-likelihood {report['nll']:.3f} · "
            f"Brier score {report['brier']:.3f} (0 to 2).",
            file="reliability",
            values=[reliability.HEAD, *reliability.rows(report["reliability"])],
        ),
    }
    if lines:
        found["training"] = figure(
            training,
            lines,
            "Training curves: loss, accuracy and macro recall of each epoch on the training and the validation split.",
            file="training",
            values=[("metric", "epoch", "value"), *_long(lines)],
        )
    return found


def by_expression(report: Mapping[str, Any]) -> PageTable:
    """A row for each expression; recall with its 95 % interval where the report has it."""
    intervals = report.get("recall_interval95", {})
    rows = []
    for name, faces in report["support"].items():
        recall, interval = report["recall"][name], intervals.get(name)
        words = percent(recall) + (f" ({ends(interval)})" if recall is not None and interval else "")
        rows.append([name, words, percent(report["precision"][name]), percent(report["f1"][name]), str(faces)])
    return PageTable(["expression", "recall %", "precision %", "F1 %", "faces"], rows)


def _long(lines: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]) -> list[tuple[str, int, float]]:
    return [(name, int(x), y) for panel in lines.values() for name, points in panel.items() for x, y in points]


def confusion_matrix(drawing: Figure, matrix: np.ndarray, colours: dict[str, str]) -> None:
    """Draw a confusion matrix int [7,7], whose rows are labels."""
    drawing.set_size_inches(4.4, 4.1)
    axes = drawing.add_subplot()
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)  # of the row's faces; a class without faces stays 0
    axes.imshow(share, vmin=0, vmax=1, cmap=LinearSegmentedColormap.from_list("share", colours["map"]))
    below, above = ("black", "white") if colours is THEMES["light"] else ("white", "black")
    for row, column in np.ndindex(matrix.shape):
        axes.text(
            column,
            row,
            f"{100 * share[row, column]:.0f}\n({matrix[row, column]})" if matrix[row].sum() else "–",
            ha="center",
            va="center",
            fontsize=8,
            color=above if share[row, column] > 0.5 else below,
        )
    axes.set_xticks(range(K), EXPRESSIONS, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(K), EXPRESSIONS)
    axes.set_xlabel("predicted")
    axes.set_ylabel("label")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def curves(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Rows of metrics.csv -> panel -> metric -> (epoch, value) pairs; cells that hold no number are left out."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in rows:
        for name, cell in row.items():
            stage, _, kind = str(name).partition("/")
            point = _number(row.get("epoch")), _number(cell)
            if stage in ("train", "val") and kind in ("loss", "accuracy", "macro_recall") and None not in point:
                found.setdefault("loss" if kind == "loss" else "ratio", {}).setdefault(name, []).append(point)
    return {panel: found[panel] for panel in ("loss", "ratio") if panel in found}


def _number(cell: Any) -> float | None:
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None


def training(drawing: Figure, lines: dict[str, dict[str, list]], colours: dict[str, str]) -> None:
    """Draw the panels that `curves` gave, one below another."""
    drawing.set_size_inches(4.4, 1.9 * len(lines) + 0.4)
    panels = np.atleast_1d(drawing.subplots(len(lines), 1, sharex=True))
    for axes, (panel, of_panel) in zip(panels, lines.items(), strict=True):
        for name, points in of_panel.items():
            axes.plot(
                *zip(*points, strict=True),
                color=colours["first"] if name.startswith("val") else colours["second"],
                linestyle=":" if name.endswith("macro_recall") else "-",
                marker="o" if len(points) == 1 else None,
                label=name,
            )
        axes.set_ylabel("loss" if panel == "loss" else "accuracy, recall")
        axes.legend(frameon=False, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("epoch")
