"""Members' probabilities on val and the labels enter, weights that sum to 1 leave: how an ensemble is chosen.

Arrays only: no run, no file and no split is opened here. M members, N faces, K = 7.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ferlab.errors import FerlabError
from ferlab.metrics.temperature import SMALLEST

METHODS = ("soft", "weighted", "greedy")  # of equally good ones the first is taken: it has the least to overfit with
SCORES = ("accuracy", "cross_entropy")


@dataclass(frozen=True)
class Recipe:
    """How weights are found.

    Attributes:
        size: members that `greedy` picks, one after another.
        replacement: whether it may pick a member again, which weighs it more.
        score: what it raises with each pick, `accuracy` (the lower cross-entropy decides between equals) or
            `cross_entropy`.
        bags: it is repeated on this many random halves of the members and the picks are added up; 0: once on all.
        seed: of those halves.
    """

    size: int
    replacement: bool
    score: str
    bags: int
    seed: int

    def __post_init__(self):
        if self.score not in SCORES:
            raise FerlabError(f"greedy.score is {self.score!r}; choose {' or '.join(SCORES)}")
        if self.size < 1 or self.bags < 0:
            raise FerlabError(f"greedy.size is {self.size} and greedy.bags {self.bags}; expected at least 1 and 0")


def weigh(method: str, probabilities: np.ndarray, labels: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Probabilities [M,N,7] and labels [N] -> weights float64 [M] >= 0 of sum 1.

    Raises:
        FerlabError: unknown method.
    """
    if method == "soft":
        return np.full(len(probabilities), 1 / len(probabilities))
    if method == "weighted":
        return weighted(_of_truth(probabilities, labels))
    if method == "greedy":
        return greedy(probabilities, labels, recipe)
    raise FerlabError(f"method is {method!r}; choose auto, {', '.join(METHODS)}")


def weighted(of_truth: np.ndarray) -> np.ndarray:
    """The weights on the simplex with the lowest cross-entropy of the weighted mean: a convex problem.

    Args:
        of_truth: [M,N], what each member gives the true class of each face.
    """
    m = len(of_truth)
    found = minimize(
        cross_entropy,
        np.full(m, 1 / m),
        (of_truth,),
        jac=gradient,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * m,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-10, "maxiter": 500},
    )
    if not found.success:
        raise FerlabError(f"the weights were not found ({found.message}); choose method=greedy or soft")
    w = np.where(found.x < 1e-4, 0.0, found.x)  # a member of no weight need not be computed
    return w / w.sum()


def cross_entropy(weights: np.ndarray, of_truth: np.ndarray) -> float:
    """Mean -log of the weighted mean's probability of the truth, for weights [M] and `of_truth` [M,N]."""
    return float(-np.log(np.maximum(weights @ of_truth, SMALLEST)).mean())


def gradient(weights: np.ndarray, of_truth: np.ndarray) -> np.ndarray:
    """Of `cross_entropy` by the weights, [M]."""
    return -(of_truth / np.maximum(weights @ of_truth, SMALLEST)).mean(1)


def greedy(probabilities: np.ndarray, labels: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Ensemble selection, with replacement and bagging as the recipe says (Caruana et al. 2004, ICML).

    Starts from nothing and adds, `size` times, the member with which the mean scores best; of equals the first.
    """
    m, rng = len(probabilities), np.random.default_rng(recipe.seed)
    bags = [np.sort(rng.choice(m, (m + 1) // 2, replace=False)) for _ in range(recipe.bags)] or [np.arange(m)]
    picks = np.sum([_picks(probabilities, labels, recipe, bag.tolist()) for bag in bags], axis=0)
    return picks / picks.sum()


def _picks(probabilities: np.ndarray, labels: np.ndarray, recipe: Recipe, allowed: Sequence[int]) -> np.ndarray:
    """How often each of M members is picked, float64 [M]."""
    picks, total = np.zeros(len(probabilities)), np.zeros(probabilities.shape[1:])
    for _ in range(recipe.size):
        candidates = [i for i in allowed if recipe.replacement or not picks[i]]
        if not candidates:
            break  # fewer members than picks
        best = max(candidates, key=lambda i: _score(total + probabilities[i], labels, recipe.score))
        picks[best] += 1
        total += probabilities[best]
    return picks


def _score(sums: np.ndarray, labels: np.ndarray, score: str) -> tuple[float, ...]:
    """Sums of probabilities [N,7] -> what is to be large; their scale does not matter among sums of as many."""
    truth = sums[np.arange(len(labels)), labels]
    likelihood = float(np.log(np.maximum(truth, SMALLEST)).sum())
    if score == "cross_entropy":
        return (likelihood,)
    return int((sums.argmax(1) == labels).sum()), likelihood


def mix(weights: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Weights [M] and probabilities [M,N,7] -> their weighted mean [N,7]."""
    return np.tensordot(weights, probabilities, 1)


def folded(labels: np.ndarray, folds: int, repeats: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Indices of faces to choose by and of faces held out: each is held out once a repeat, by scikit-learn's splitter.

    Args:
        folds: parts of val, each with its share of every class.
        repeats: with parts drawn anew, from `seed`.

    Raises:
        FerlabError: fewer than two folds, more than faces of any class, or no repeat.
    """
    from sklearn.model_selection import RepeatedStratifiedKFold  # takes a second, which reading an ensemble need not

    most = int(np.bincount(labels).max(initial=0))
    if not 2 <= folds <= most or repeats < 1:
        raise FerlabError(f"folds is {folds} and repeats {repeats}; expected 2 to {most} folds, at least 1 repeat")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # it is in some of the parts
        yield from RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=seed).split(labels, labels)


def _of_truth(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return probabilities[:, np.arange(len(labels)), labels]
