"""Probabilities of val faces in, the confidence out below which a label is better withheld.

Calibration and export choose the threshold here, by one rule; the predictor and the web app read it from an exported
model's JSON (selective classification; Geifman & El-Yaniv 2017, arXiv:1705.08500).
"""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from ferlab.errors import FerlabError
from ferlab.metrics.statistics import Accuracy, accuracy_of

_GRID = np.arange(100) / 100


class Abstention(Accuracy):
    """A threshold, and the accuracy of the faces that keep their label.

    Attributes:
        threshold: in steps of .01; None where none reaches the accuracy.
        wanted: that accuracy, in 0..1.
        kept: share of the faces that keep their label.
    """

    threshold: float | None
    wanted: float
    kept: float


class Covered(TypedDict):
    """The most confident faces.

    Attributes:
        coverage: which share of all faces they are, in 0..1.
        n: their number.
        correct: how many of them are right.
        accuracy: the share that is right; None of no face.
        threshold: the confidence from which on a face is one of them; None of no face.
    """

    coverage: float
    n: int
    correct: int
    accuracy: float | None
    threshold: float | None


def calibrate(probabilities: np.ndarray, labels: np.ndarray, wanted: float) -> Abstention:
    """The least threshold from which on labels are correct with at least the `wanted` accuracy.

    At least: the lower end of Wilson's 95 % interval reaches it, so that it is not luck on the faces it was chosen on.

    Args:
        probabilities: [N,7] of faces that the model has not learned from, never of test.
        labels: class numbers [N].
        wanted: accuracy of the faces that keep their label, in 0..1.

    Raises:
        FerlabError: no accuracy between 0 and 1, or no face.
    """
    if not 0 < wanted < 1:
        raise FerlabError(f"wanted_accuracy is {wanted}; expected a share between 0 and 1, as 0.8")
    if not len(labels):
        raise FerlabError("no faces to choose a threshold on; expected those of val")
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == labels
    for threshold in _GRID:
        kept = confidence >= threshold
        measured = accuracy_of(correct[kept])
        if measured["interval95"] and measured["interval95"][0] >= wanted:
            return {"threshold": float(threshold), "wanted": wanted, "kept": float(kept.mean()), **measured}
    return {"threshold": None, "wanted": wanted, "kept": 0.0, **accuracy_of(correct[:0])}


def at_coverage(confidence: np.ndarray, correct: np.ndarray, coverages: Sequence[float]) -> list[Covered]:
    """Accuracy on the most confident share of N faces, for each share 0..1 of `coverages`.

    The share holds ceil(share * N) faces; of faces of equal confidence [N] the earlier come first.
    """
    order = np.argsort(-confidence, kind="stable")
    rows: list[Covered] = []
    for coverage in coverages:
        kept = order[: int(np.ceil(coverage * len(order) - 1e-9))]
        rows.append(
            {
                "coverage": coverage,
                "n": len(kept),
                "correct": int(correct[kept].sum()),
                "accuracy": float(correct[kept].mean()) if len(kept) else None,
                "threshold": float(confidence[kept[-1]]) if len(kept) else None,
            }
        )
    return rows
