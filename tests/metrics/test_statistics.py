"""Intervals and tests against statsmodels."""

import numpy as np
import pytest
from statsmodels.stats import contingency_tables, multitest, proportion

from ferlab.metrics import statistics


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 50), (37, 50), (2620, 3589), (3589, 3589)])
def test_interval_equals_statsmodels(k, n):
    expected = proportion.proportion_confint(k, n, method="wilson")
    assert statistics.interval95(k, n) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [3, 30, 3000])
def test_mcnemar_equals_statsmodels(seed, n):
    rng = np.random.default_rng(seed)
    a, b = rng.random(n) < 0.7, rng.random(n) < 0.6
    only_a, only_b, p = statistics.mcnemar(a, b)
    table = [[(a & b).sum(), only_a], [only_b, (~a & ~b).sum()]]
    assert (only_a, only_b) == ((a & ~b).sum(), (b & ~a).sum())
    if only_a + only_b:
        assert p == pytest.approx(contingency_tables.mcnemar(table, exact=True).pvalue, rel=1e-9)


def test_mcnemar_of_equal_results_is_one_and_of_unequal_lengths_refused():
    assert statistics.mcnemar([True, False], [True, False]) == (0, 0, 1.0)
    with pytest.raises(ValueError, match="same faces"):
        statistics.mcnemar([True], [True, False])


def test_an_accuracy_is_counted_and_none_of_no_face():
    found = statistics.accuracy_of(np.array([True, False, True, True]))
    assert (found["n"], found["correct"], found["accuracy"]) == (4, 3, 0.75)
    assert found["interval95"] == statistics.interval95(3, 4)
    assert statistics.accuracy_of(np.zeros(0, bool)) == {"n": 0, "correct": 0, "accuracy": None, "interval95": None}


@pytest.mark.parametrize("n", [1, 2, 9])
def test_holm_equals_statsmodels(n):
    p = np.random.default_rng(n).random(n) / 3
    assert statistics.holm(p.tolist()) == pytest.approx(multitest.multipletests(p, method="holm")[1])
    assert statistics.holm([0.02] * n) == pytest.approx([0.02 * n] * n)
