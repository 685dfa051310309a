"""Probabilities and the faces they are of -> numbers with their uncertainty, and the files that hold them.

This file alone decides how anything is measured; the page that shows it is `report_page`.
"""

from typing import Any

import numpy as np

from ferlab.data.faces import Faces
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, K
from ferlab.metrics.statistics import accuracy_of

BINS = 15  # of the reliability diagram and of the calibration error, as Guo et al. 2017 (arXiv 1706.04599)
_SMALLEST = 1e-12  # a probability of 0 would make the log-likelihood infinite


def measure(probabilities: np.ndarray, faces: Faces, twins: np.ndarray) -> dict[str, Any]:
    """Everything that is said about a predictor on one split, ready for JSON.

    Args:
        probabilities: [N,7], rows sum to 1.
        faces: the N faces of the split; their hard labels are the truth.
        twins: bool [N], which of them are pixel-identical to a face that was trained on.

    Returns:
        Ratios in 0..1. What cannot be said (the recall of a class without faces) is None, never 0 or NaN; means over
        classes leave it out, as scikit-learn's do.

    Raises:
        FerlabError: no face, or probabilities that are none.
    """
    p = _checked(probabilities, faces)
    labels, predicted = faces.labels, p.argmax(1)
    correct = predicted == labels
    confusion = np.bincount(labels * K + predicted, minlength=K * K).reshape(K, K)  # rows = truth
    hits, support, said = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    recall, precision = _ratio(hits, support), _ratio(hits, said)
    f1 = _ratio(2 * hits, support + said)
    disgust = recall[EXPRESSIONS.index("disgust")]
    bins = reliability(p.max(1), correct)
    return {
        **accuracy_of(correct),
        "interval_method": "Wilson",
        "without_train_twins": accuracy_of(correct[~np.asarray(twins, bool)]),
        "macro_recall": _mean(recall),
        "macro_f1": _mean(f1),
        "recall": _by_class(recall),
        "precision": _by_class(precision),
        "f1": _by_class(f1),
        "support": _by_class(support.tolist()),
        "disgust_misclassification": None if disgust is None else 1.0 - disgust,
        "confusion_matrix": confusion.tolist(),
        "ece": sum(b["n"] * abs(b["accuracy"] - b["confidence"]) for b in bins if b["n"]) / len(p),
        "nll": float(-np.log(np.maximum(p[np.arange(len(p)), labels], _SMALLEST)).mean()),
        "brier": float(((p - np.eye(K)[labels]) ** 2).sum(1).mean()),
        "reliability": bins,
    }


def reliability(confidence: np.ndarray, correct: np.ndarray) -> list[dict[str, Any]]:
    """Confidence [N] and correct bool [N] -> upper edge, n, mean confidence and accuracy of each of `BINS` equal bins.

    A bin holds its upper edge, not its lower one; an empty bin's means are None.
    """
    edges = np.linspace(0.0, 1.0, BINS + 1)
    place = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, BINS - 1)
    bins = []
    for b in range(BINS):
        here = place == b
        n = int(here.sum())
        bins.append(
            {
                "up_to": float(edges[b + 1]),
                "n": n,
                "confidence": float(confidence[here].mean()) if n else None,
                "accuracy": float(correct[here].mean()) if n else None,
            }
        )
    return bins


def _checked(probabilities: np.ndarray, faces: Faces) -> np.ndarray:
    p = np.asarray(probabilities, np.float64)
    if not len(faces):
        raise FerlabError("the split has no faces, so there is nothing to measure; look at data/ or choose split=val")
    if p.shape != (len(faces), K):
        raise FerlabError(f"expected probabilities {(len(faces), K)} for these faces, found {p.shape}")
    if not np.isfinite(p).all():
        bad = int((~np.isfinite(p)).any(1).sum())
        raise FerlabError(
            f"expected probabilities, found NaN or infinity for {bad} of {len(p)} faces: "
            "the weights are not finite; train the run again"
        )
    if p.min() < 0 or np.abs(p.sum(1) - 1).max() > 1e-2:
        raise FerlabError(
            f"expected rows >= 0 that sum to 1, found a smallest value of {p.min():.3g} and sums of "
            f"{p.sum(1).min():.3g} to {p.sum(1).max():.3g}; a predictor gives probabilities, not logits"
        )
    return p


def _ratio(part: np.ndarray, whole: np.ndarray) -> list[float | None]:
    return [float(a / b) if b else None for a, b in zip(part, whole, strict=True)]


def _mean(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


def _by_class(values: list[Any]) -> dict[str, Any]:
    return dict(zip(EXPRESSIONS, values, strict=True))
