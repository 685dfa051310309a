"""Which faces each member gets right enters; how alike their errors are leaves, as numbers, a table and a picture.

Kuncheva & Whitaker 2003, "Measures of Diversity in Classifier Ensembles" (Machine Learning 51).
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torchmetrics.functional.classification import multiclass_cohen_kappa

from ferlab import files
from ferlab.expressions import K
from ferlab.pages.figures import drawn


def pairs(names: Sequence[str], predicted: np.ndarray, labels: np.ndarray) -> list[dict[str, Any]]:
    """For each pair of M members its measures.

    Args:
        names: of the members.
        predicted: classes, int [M,N].
        labels: int [N].

    Returns:
        Per pair `first`, `second`; `error_correlation`, Pearson's of who is wrong where (None where one is never or
        always wrong); `kappa`, Cohen's of the predicted classes (None where both say one and the same class);
        `double_fault`, the share of faces on which both are wrong.
    """
    wrong = predicted != labels
    found = []
    for a, b in itertools.combinations(range(len(names)), 2):
        found.append(
            {
                "first": names[a],
                "second": names[b],
                "error_correlation": _correlation(wrong[a], wrong[b]),
                "kappa": kappa(predicted[a], predicted[b]),
                "double_fault": float((wrong[a] & wrong[b]).mean()),
            }
        )
    return found


def kappa(a: np.ndarray, b: np.ndarray) -> float | None:
    """Cohen's kappa of two classifications [N]: agreement beyond what their class shares give by chance."""
    found = float(multiclass_cohen_kappa(torch.from_numpy(a), torch.from_numpy(b), K))
    return None if np.isnan(found) else found


def _correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    if a.all() or b.all() or not a.any() or not b.any():
        return None
    return float(np.corrcoef(a, b)[0, 1])


def write(folder: Path, names: Sequence[str], found: Sequence[dict[str, Any]]) -> None:
    """pairs.csv, and error_correlation.png: what `pairs` gave for these members."""
    head = ["first", "second", "error_correlation", "kappa", "double_fault"]
    files.write_csv(folder / "pairs.csv", [head, *([pair[key] for key in head] for pair in found)])
    matrix = np.eye(len(names))
    for pair in found:
        a, b = names.index(pair["first"]), names.index(pair["second"])
        matrix[a, b] = matrix[b, a] = np.nan if pair["error_correlation"] is None else pair["error_correlation"]
    files.write_bytes(folder / "error_correlation.png", drawn(_draw, (names, matrix), "light", "png"))


def _draw(figure: Figure, content: tuple[Sequence[str], np.ndarray], colours: dict[str, Any]) -> None:
    names, matrix = content
    m = len(names)
    figure.set_size_inches(3.2 + 0.46 * m, 2.6 + 0.46 * m)
    axes = figure.add_subplot()
    shown = axes.imshow(matrix, vmin=0, vmax=1, cmap="Blues")
    for a, b in itertools.product(range(m), repeat=2):
        if a != b:
            value = matrix[a, b]
            text = "–" if np.isnan(value) else f"{value:.2f}".removeprefix("0")
            axes.text(b, a, text, ha="center", va="center", fontsize=8, color="white" if value > 0.6 else "black")
    axes.set_xticks(range(m), names, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(range(m), names, fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("correlation of the members' errors on val", fontsize=10)
    figure.colorbar(shown, shrink=0.8).outline.set_visible(False)
