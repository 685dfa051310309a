"""Probabilities and labels in, a temperature out with which confidence means what it says.

Temperature scaling after Guo et al. 2017 (arXiv:1706.04599), in numpy; `predictors.predictor.temper` is its twin in
torch, which becomes part of an exported graph.
"""

import numpy as np

from ferlab.errors import FerlabError

SMALLEST = 1e-12  # a probability of 0, which float32 gives, would make the cross-entropy infinite
HOTTEST = 20.0  # temperatures are sought between this and its inverse


def temper(probabilities: np.ndarray, temperature: float | np.ndarray) -> np.ndarray:
    """Probabilities float64 [...,7] at a temperature: the softmax of their logits over it.

    One temperature for all, or one [M] for each member of [M,N,7]. The order of the classes stays.
    """
    cold = 1 / np.asarray(temperature, np.float64)
    powers = np.maximum(np.asarray(probabilities, np.float64), SMALLEST) ** cold[..., None, None]
    return powers / powers.sum(-1, keepdims=True)


def best_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that gives probabilities [N,7] the lowest cross-entropy, between 1 / 20 and 20."""
    from scipy.optimize import minimize_scalar  # half a second, for those alone that fit
    from scipy.special import log_softmax

    logits = _logits(probabilities)

    def loss(cold: float) -> float:  # convex in the inverse of the temperature
        return float(-log_softmax(logits * cold, axis=1)[np.arange(len(labels)), labels].mean())

    found = minimize_scalar(loss, bounds=(1 / HOTTEST, HOTTEST), method="bounded", options={"xatol": 1e-6})
    return float(1 / found.x)


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """`best_temperature`, where the faces decide it.

    Raises:
        FerlabError: no face, or no finite best temperature: too few faces, or a predictor that is always right.
    """
    if not len(labels):
        raise FerlabError("a temperature needs faces to be fitted on and found none; choose data with a val split")
    logits = _logits(probabilities)
    # The loss is convex in 1/T: it has a smallest value inside (0, inf) just where it falls at 0 and rises in the end.
    own = logits[np.arange(len(labels)), labels]
    inside = (logits.max(1) - own).any() and logits.mean() < own.mean()
    found = best_temperature(probabilities, labels)
    if not inside or not 1.001 < found * HOTTEST < 0.999 * HOTTEST**2:  # at an end of its range
        raise FerlabError(
            f"no finite temperature fits {len(labels)} faces, of which {(logits.argmax(1) == labels).sum()} are right: "
            "it needs faces that are taken for another expression, and better than chance; choose data with more"
        )
    return found


def cross_fitted(probabilities: np.ndarray, labels: np.ndarray, folds: int) -> np.ndarray:
    """Probabilities [N,7], each at the temperature of the other folds: val's calibration, not fitted to itself.

    Raises:
        FerlabError: as `fit_temperature`, of some fold's others.
    """
    out = np.empty(probabilities.shape)
    fold = np.arange(len(labels)) % folds
    for f in range(folds):
        out[fold == f] = temper(probabilities[fold == f], fit_temperature(probabilities[fold != f], labels[fold != f]))
    return out


def _logits(probabilities: np.ndarray) -> np.ndarray:
    """Log-probabilities: logits but for a constant of each face, which softmax takes away again."""
    return np.log(np.maximum(np.asarray(probabilities, np.float64), SMALLEST))
