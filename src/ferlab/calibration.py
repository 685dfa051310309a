"""Probabilities and labels in, a temperature out that makes confidence mean what it says, and when to abstain.

Temperature scaling after Guo et al. 2017 (arXiv:1706.04599). Fitted on val alone and kept with the checksum of the
weights that it belongs to, so that nobody applies it to others.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferlab import selection
from ferlab.errors import FerlabError


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature T > 0 whose scaled probabilities [N,7] give labels int [N] the smallest log-loss.

    Raises:
        FerlabError: no face, or no finite best temperature: too few faces, or a predictor that is always right.
    """
    if not len(labels):
        raise FerlabError("a temperature needs faces to be fitted on and found none; choose data with a val split")
    logits = _logits(probabilities)
    # The loss is convex in 1/T: it has a smallest value inside (0, inf) just where it falls at 0 and rises in the end.
    own = logits[np.arange(len(labels)), labels]
    inside = (logits.max(1) - own).any() and logits.mean() < own.mean()
    found = selection.temperature(probabilities, labels)
    if not inside or not 1.001 < found * selection.HOTTEST < 0.999 * selection.HOTTEST**2:  # at an end of its range
        raise FerlabError(
            f"no finite temperature fits {len(labels)} faces, of which {(logits.argmax(1) == labels).sum()} are right: "
            "it needs faces that are taken for another expression, and better than chance; choose data with more"
        )
    return found


def scale(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities [N,7] as of logits divided by the temperature; the order of classes stays."""
    return selection.temper(np.asarray(probabilities, np.float64)[None], np.array([temperature]))[0]


def cross_fitted(probabilities: np.ndarray, labels: np.ndarray, folds: int) -> np.ndarray:
    """Probabilities [N,7], each scaled by the temperature of the other folds: val's calibration, not fitted to itself.

    Raises:
        FerlabError: as `fit_temperature`, of some fold's others.
    """
    out = np.empty(probabilities.shape)
    fold = np.arange(len(labels)) % folds
    for f in range(folds):
        out[fold == f] = scale(probabilities[fold == f], fit_temperature(probabilities[fold != f], labels[fold != f]))
    return out


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


def stored(home: Path, tta: str, weights_sha256: Sequence[str]) -> dict[str, Any]:
    """What `python -m ferlab.calibrate` kept for a run's or ensemble's directory: `temperature`, `threshold` and more.

    Raises:
        FerlabError: there is none for these views, or it is of other weights.
    """
    path = home / "calibration" / f"{tta}.json"
    again = f"type python -m ferlab.calibrate runs={home.as_posix()} tta={tta} split=val first"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        of = sorted(found["weights_sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        raise FerlabError(f"expected the temperature of val in {path} and found none; {again}") from None
    if of != sorted(weights_sha256):
        raise FerlabError(f"the temperature in {path} is of other weights than the run's; {again}")
    return found


def _logits(probabilities: np.ndarray) -> np.ndarray:
    """Log-probabilities: logits but for a constant of each face, which softmax takes away again."""
    return np.log(np.maximum(np.asarray(probabilities, np.float64), selection.SMALLEST))
