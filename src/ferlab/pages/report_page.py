"""A report -> one page without outside parts: index.html, and confusion_matrix.png, .svg and its gallery beside it.

This file and report.html decide how a report looks; every number on the page comes out of the report.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from ferlab.data.faces import Faces
from ferlab.expressions import EXPRESSIONS, K
from ferlab.files import Json, write_bytes, write_text
from ferlab.pages.figures import THEMES, both_themes, data_uri, drawn
from ferlab.pages.page import GALLERIES, cards, galleries_file, template
from ferlab.pages.words import readable

MISTAKES = 24  # faces in the gallery


def write(
    folder: Path,
    report: Mapping[str, Any],
    title: str,
    probabilities: np.ndarray,
    faces: Faces,
    metrics_rows: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write the page of a report on N faces of the split `title`, and beside it its matrix and `GALLERIES`."""
    pictures = pictures_of(report, metrics_rows)
    write_bytes(folder / "confusion_matrix.svg", _confusion(report, "light", "svg"))
    write_bytes(folder / "confusion_matrix.png", _confusion(report, "light", "png"))
    mistakes = _mistakes(probabilities, faces)
    write_bytes(folder / GALLERIES, galleries_file({"mistakes": mistakes}))
    html = template("report.html").render(
        report=report,
        title=title,
        views=report.get("views"),
        pictures=pictures,
        mistakes=mistakes,
        details=details(report),
    )
    page = folder / "index.html"
    write_text(page, html)
    return page


def pictures_of(report: Mapping[str, Any], metrics_rows: Sequence[Mapping[str, Any]] = ()) -> Json:
    """A report's `confusion`, `reliability` and `curves` (None without rows of metrics.csv), each for both themes."""
    confusion = {theme: data_uri(_confusion(report, theme, "svg"), "svg+xml") for theme in THEMES}
    lines = curves(metrics_rows)
    return {
        "confusion": confusion,
        "reliability": both_themes(_reliability, report["reliability"]),
        "curves": both_themes(_training, lines) if lines else None,
    }


def details(report: Mapping[str, Any]) -> dict[str, str]:
    """What a report says of where its numbers come from, in words."""
    return {k: readable(v) for k, v in report.items() if k in _PROVENANCE and v not in (None, {}, [])}


def _confusion(report: Mapping[str, Any], theme: str, kind: str) -> bytes:
    return drawn(_confusion_matrix, np.asarray(report["confusion_matrix"]), theme, kind)


_PROVENANCE = [
    "name",
    "model",
    "members",
    "data",
    "label_system",
    "trained_label_system",
    "class_weights",
    "seed",
    "priors",
    "best_epoch",
    "parameters",
    "tta",
    "tta_space",
    "views",
    "method",
    "weights",
    "temperatures",
    "specialists",
    "chosen_on",
    "frozen_at",
    "ensemble_sha256",
    "hindsight",
    "split",
    "commit",
    "evaluated_commit",
    "evaluated_at",
    "looks_before",
    "looks_before_at_data",
    "weights_sha256",
    "faces_sha256",
    "stores",
    "config",
    "environment",
]


def _confusion_matrix(figure: Figure, matrix: np.ndarray, colours: dict[str, str]) -> None:
    figure.set_size_inches(4.4, 4.1)
    axes = figure.add_subplot()
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


def _reliability(figure: Figure, bins: list[Json], colours: dict[str, str]) -> None:
    figure.set_size_inches(4.4, 4.1)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    width = 1 / len(bins)
    held = [b for b in bins if b["n"]]
    places = [b["up_to"] - width / 2 for b in held]
    upper.plot([0, 1], [0, 1], color=colours["faint"], linestyle="--", label="as right as sure")
    upper.bar(places, [b["accuracy"] for b in held], width=0.85 * width, color=colours["first"], alpha=0.75)
    upper.plot([b["confidence"] for b in held], [b["accuracy"] for b in held], "o", color=colours["second"], ms=4)
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    lower.bar(places, [b["n"] for b in held], width=0.85 * width, color=colours["faint"])
    lower.set(xlabel="confidence (highest probability)", ylabel="faces")
    upper.legend(frameon=False, loc="upper left")
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)


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


def _training(figure: Figure, curves: dict[str, dict[str, list]], colours: dict[str, str]) -> None:
    figure.set_size_inches(4.4, 1.9 * len(curves) + 0.4)
    panels = np.atleast_1d(figure.subplots(len(curves), 1, sharex=True))
    for axes, (panel, lines) in zip(panels, curves.items(), strict=True):
        for name, points in lines.items():
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


def _mistakes(probabilities: np.ndarray, faces: Faces) -> list[Json]:
    """The wrong answers that were given with the highest probability, the surest first."""
    labels, predicted, confidence = faces.labels, probabilities.argmax(1), probabilities.max(1)
    wrong = np.flatnonzero(predicted != labels)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    notes = [f"{EXPRESSIONS[labels[i]]} taken for {EXPRESSIONS[predicted[i]]}" for i in surest]
    return cards(faces, surest, probabilities, notes)
