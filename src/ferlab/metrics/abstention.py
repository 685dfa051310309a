"""Probabilities of val faces enter, the confidence below which a label is better withheld leaves.

The predictor and the browser say `uncertain` below an exported model's `threshold`; this file alone decides what it is
(selective classification; Geifman & El-Yaniv 2017, arXiv:1705.08500).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ferlab.errors import FerlabError
from ferlab.metrics.statistics import accuracy_of

_GRID = np.arange(100) / 100


def calibrate(probabilities: np.ndarray, labels: np.ndarray, accuracy: float) -> dict[str, Any]:
    """The least threshold above which labels are right in at least `accuracy` of the faces.

    At least: the lower end of the 95 % interval reaches it, so that it is not luck on the faces it was chosen on.

    Args:
        probabilities: float [N,7] of faces that the model has not learned from, never of test.
        labels: class numbers [N].
        accuracy: wanted of those that keep their label, in 0..1.

    Returns: `threshold` in steps of .01, None where none reaches the accuracy; `wanted`, that accuracy; `kept`, the
        share of these faces that it leaves; and of those, as `accuracy_of` has it, n, correct, accuracy and interval95.

    Raises:
        FerlabError: accuracy is no share, or there are no faces.
    """
    if not 0 < accuracy < 1:
        raise FerlabError(f"accuracy is {accuracy}; expected a share between 0 and 1, as 0.8")
    if not len(labels):
        raise FerlabError("no faces to choose a threshold on; expected those of val")
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == labels
    for threshold in _GRID:
        kept = confidence >= threshold
        if not kept.any():
            break
        told = accuracy_of(correct[kept])
        if told["interval95"][0] >= accuracy:
            return {"threshold": float(threshold), "wanted": accuracy, "kept": float(kept.mean()), **told}
    return {"threshold": None, "wanted": accuracy, "kept": 0.0}


def at_coverage(confidence: np.ndarray, correct: np.ndarray, coverages: Sequence[float]) -> list[dict[str, Any]]:
    """Accuracy on the surest share of N faces, for each share 0..1, with the confidence [N] from which faces count.

    The share holds ceil(share * N) faces; of faces equally sure the earlier come first.
    """
    order = np.argsort(-confidence, kind="stable")
    rows = []
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


def threshold_for(confidence: np.ndarray, correct: np.ndarray, wanted: float) -> float | None:
    """The lowest confidence at and above which the share of right answers is at least `wanted`; None if there is none.

    Lowest means most faces answered: El-Yaniv and Wiener 2010 call it the coverage at a given risk.
    """
    order = np.argsort(-confidence, kind="stable")
    accuracy = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    ordered = confidence[order]
    last_of_equals = np.append(ordered[1:] != ordered[:-1], True)  # a threshold cannot part faces equally sure
    good = np.flatnonzero((accuracy >= wanted) & last_of_equals)
    return float(ordered[good[-1]]) if len(good) else None
