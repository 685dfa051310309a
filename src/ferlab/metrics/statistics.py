"""Proportions with their intervals, paired tests, and p values corrected for being several."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TypedDict

import numpy as np

_Z = NormalDist().inv_cdf(0.975)  # scipy.stats has all of this too, and takes a second to import


class Accuracy(TypedDict):
    """A share of N faces.

    Attributes:
        n: number of faces.
        correct: how many of them are right.
        accuracy: their share, in 0..1; None where n = 0.
        interval95: its 95 % interval [low, high] after Wilson; None where n = 0.
    """

    n: int
    correct: int
    accuracy: float | None
    interval95: list[float] | None


def accuracy_of(correct: np.ndarray) -> Accuracy:
    """The accuracy of N answers, of which bool [N] says which are correct, with its 95 % interval."""
    n, k = len(correct), int(correct.sum())
    return {"n": n, "correct": k, "accuracy": k / n if n else None, "interval95": interval95(k, n)}


def interval95(correct: int, n: int) -> list[float] | None:
    """95 % interval of a proportion after Wilson 1927: unlike +-1.96 standard errors it stays inside 0..1."""
    if not n:
        return None
    p, shrink = correct / n, 1 + _Z**2 / n
    middle = (p + _Z**2 / (2 * n)) / shrink
    half = _Z / shrink * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
    return [0.0 if correct == 0 else middle - half, 1.0 if correct == n else middle + half]


def mcnemar(correct_a: np.ndarray, correct_b: np.ndarray) -> tuple[int, int, float]:
    """McNemar's paired test on the same N faces: (only A correct, only B correct, two-sided p).

    Exact: under the null hypothesis each face on which they differ is a fair coin. With no such face p is 1.

    Raises:
        ValueError: the two are not over the same number of faces.
    """
    a, b = np.asarray(correct_a, bool), np.asarray(correct_b, bool)
    if a.shape != b.shape:
        raise ValueError(f"expected two results on the same faces, got {a.shape} and {b.shape}")
    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    n = only_a + only_b
    tail = sum(math.comb(n, k) for k in range(min(only_a, only_b) + 1))  # whole numbers: nothing is rounded
    return only_a, only_b, min(1.0, 2 * tail / 2**n)


def holm(p: Sequence[float]) -> list[float]:
    """p values corrected for being several, after Holm 1979."""
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = highest
    return adjusted
