"""Proportions with their intervals, paired tests, and p values corrected for being several."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest


def accuracy_of(correct: np.ndarray) -> dict[str, Any]:
    """Which faces are right, bool [N] -> n, correct, accuracy and its 95 % interval (Wilson's); None when N = 0."""
    n, k = len(correct), int(correct.sum())
    return {"n": n, "correct": k, "accuracy": k / n if n else None, "interval95": interval95(k, n)}


def interval95(correct: int, n: int) -> list[float] | None:
    """95 % interval of a proportion after Wilson 1927: unlike +-1.96 standard errors it stays inside 0..1."""
    if not n:
        return None
    interval = binomtest(correct, n).proportion_ci(confidence_level=0.95, method="wilson")
    return [float(interval.low), float(interval.high)]


def mcnemar(correct_a: np.ndarray, correct_b: np.ndarray) -> tuple[int, int, float]:
    """McNemar's paired test on the same N faces: (only A right, only B right, two-sided p).

    Exact: under the null each face on which they differ is a fair coin. With no such face p is 1.

    Raises:
        ValueError: the two are not over the same number of faces.
    """
    a, b = np.asarray(correct_a, bool), np.asarray(correct_b, bool)
    if a.shape != b.shape:
        raise ValueError(f"expected two results on the same faces, got {a.shape} and {b.shape}")
    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    p = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return only_a, only_b, p


def holm(p: Sequence[float]) -> list[float]:
    """p values corrected for being several, after Holm 1979."""
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = highest
    return adjusted
