"""Probabilities and the faces they are of in, every number of a report out."""

from collections.abc import Sequence
from typing import TypedDict, TypeVar

import numpy as np

from ferlab.data.faces import Faces
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, K
from ferlab.metrics.statistics import Accuracy, accuracy_of, interval95
from ferlab.metrics.temperature import SMALLEST

FREQUENT = 40  # faces of a class from which on its recall counts in `frequent_recall`
BINS = 15  # of the reliability diagram and of the calibration error, as Guo et al. 2017 (arXiv 1706.04599)

Value = TypeVar("Value")


class Bin(TypedDict):
    """A bin of the reliability diagram.

    Attributes:
        up_to: its upper edge, in 0..1.
        n: number of faces in it.
        confidence: their mean confidence; None where n = 0.
        accuracy: the share of them that is right; None where n = 0.
    """

    up_to: float
    n: int
    confidence: float | None
    accuracy: float | None


class FrequentRecall(TypedDict):
    """Mean recall of the classes with enough faces; that of a few faces would move it by chance.

    Attributes:
        at_least: faces that a class needs.
        classes: the names of those that have them.
        mean: of their recalls; None of no class.
    """

    at_least: int
    classes: list[str]
    mean: float | None


class ByClass(TypedDict):
    """What a confusion matrix tells. Dicts have a value for each name of `EXPRESSIONS`.

    Attributes:
        macro_recall: mean recall of the classes that have faces.
        macro_f1: mean F1 of the classes that have faces or predictions.
        recall: share of a class's faces that are predicted as it.
        precision: share of the predictions of a class that are right.
        f1: harmonic mean of the two.
        recall_interval95: 95 % interval [low, high] after Wilson of each recall.
        frequent_recall: mean recall of the classes with enough faces.
        support: number of a class's faces.
        disgust_misclassification: share of the faces of disgust that are predicted as something else.
        confusion_matrix: counts, int [7,7]; rows are the truth, columns the prediction.
    """

    macro_recall: float | None
    macro_f1: float | None
    recall: dict[str, float | None]
    precision: dict[str, float | None]
    f1: dict[str, float | None]
    recall_interval95: dict[str, list[float] | None]
    frequent_recall: FrequentRecall
    support: dict[str, int]
    disgust_misclassification: float | None
    confusion_matrix: list[list[int]]


class Scores(Accuracy, ByClass):
    """What is measured of a predictor on one split, ready for JSON.

    Ratios lie in 0..1. What cannot be measured (the recall of a class without faces) is None, never 0 or NaN; means
    over classes leave it out, as scikit-learn's do.

    Attributes:
        interval_method: the name of the method of all intervals.
        without_train_twins: accuracy of the faces that are pixel-identical to no training face.
        ece: expected calibration error over `BINS` bins (Guo et al. 2017, arXiv:1706.04599).
        nll: mean of -log(probability of the label), in nats.
        brier: mean over faces of the summed squared distances to the one-hot label, in 0..2.
        reliability: the bins of the reliability diagram.
    """

    interval_method: str
    without_train_twins: Accuracy
    ece: float
    nll: float
    brier: float
    reliability: list[Bin]


def measure(probabilities: np.ndarray, faces: Faces, twins: np.ndarray) -> Scores:
    """The scores of a predictor on one split.

    Args:
        probabilities: [N,7], rows sum to 1.
        faces: the N faces of the split; their hard labels are the truth.
        twins: bool [N], which of them are pixel-identical to a training face.

    Raises:
        FerlabError: no face, or probabilities that are none.
    """
    p = _checked(probabilities, faces)
    labels, predicted = faces.labels, p.argmax(1)
    correct = predicted == labels
    confusion = np.bincount(labels * K + predicted, minlength=K * K).reshape(K, K)  # rows = truth
    bins = reliability(p.max(1), correct)
    return {
        **accuracy_of(correct),
        "interval_method": "Wilson",
        "without_train_twins": accuracy_of(correct[~np.asarray(twins, bool)]),
        **by_class(confusion),
        "ece": _calibration_error(bins),
        "nll": float(-np.log(np.maximum(p[np.arange(len(p)), labels], SMALLEST)).mean()),
        "brier": float(((p - np.eye(K)[labels]) ** 2).sum(1).mean()),
        "reliability": bins,
    }


def by_class(confusion: np.ndarray) -> ByClass:
    """The scores that follow from counts, int [7,7]."""
    hits, support, predictions = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    recall, f1 = _ratio(hits, support), _ratio(2 * hits, support + predictions)
    disgust = recall[EXPRESSIONS.index("disgust")]
    frequent = [k for k in range(K) if support[k] >= FREQUENT]
    return {
        "macro_recall": _mean(recall),
        "macro_f1": _mean(f1),
        "recall": _by_class(recall),
        "precision": _by_class(_ratio(hits, predictions)),
        "f1": _by_class(f1),
        "recall_interval95": _by_class([interval95(int(a), int(b)) for a, b in zip(hits, support, strict=True)]),
        "frequent_recall": {
            "at_least": FREQUENT,
            "classes": [EXPRESSIONS[k] for k in frequent],
            "mean": _mean([recall[k] for k in frequent]),
        },
        "support": _by_class(support.tolist()),
        "disgust_misclassification": None if disgust is None else 1.0 - disgust,
        "confusion_matrix": confusion.tolist(),
    }


def reliability(confidence: np.ndarray, correct: np.ndarray) -> list[Bin]:
    """Confidence [N] and correct bool [N] as `BINS` bins of equal width.

    A bin holds its upper edge, not its lower one.
    """
    edges = np.linspace(0.0, 1.0, BINS + 1)
    place = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, BINS - 1)
    bins: list[Bin] = []
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


def _calibration_error(bins: Sequence[Bin]) -> float:
    """Mean distance of accuracy and confidence over the faces of all bins."""
    distances = [
        b["n"] * abs(b["accuracy"] - b["confidence"])
        for b in bins
        if b["accuracy"] is not None and b["confidence"] is not None
    ]
    return sum(distances) / sum(b["n"] for b in bins)


def _checked(probabilities: np.ndarray, faces: Faces) -> np.ndarray:
    p = np.asarray(probabilities, np.float64)
    if not len(faces):
        raise FerlabError("the split has no faces, so there is nothing to measure; check data/ or choose split=val")
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


def _by_class(values: Sequence[Value]) -> dict[str, Value]:
    return dict(zip(EXPRESSIONS, values, strict=True))
