"""Intervals and tests against statsmodels."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import stats
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


@hypothesis.settings(derandomize=True, max_examples=100, deadline=None)
@hypothesis.given(st.integers(1, 4000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_any_interval_is_statsmodels_and_mirrors(counts):
    k, n = counts
    low, high = statistics.interval95(k, n)
    assert (low, high) == pytest.approx(proportion.proportion_confint(k, n, method="wilson"), abs=1e-9)
    assert 0 <= low <= k / n <= high <= 1
    assert statistics.interval95(n - k, n) == pytest.approx([1 - high, 1 - low], abs=1e-9)


@hypothesis.settings(derandomize=True, max_examples=100, deadline=None)
@hypothesis.given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_mcnemar_of_any_two_results_is_a_sign_test(pairs):
    a, b = np.array(pairs, bool).reshape(-1, 2).T
    only_a, only_b, p = statistics.mcnemar(a, b)
    assert (only_a, only_b) == (sum(x and not y for x, y in pairs), sum(y and not x for x, y in pairs))
    assert p == pytest.approx(stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1, rel=1e-9)
    assert statistics.mcnemar(b, a) == (only_b, only_a, p)


@hypothesis.settings(derandomize=True, max_examples=100, deadline=None)
@hypothesis.given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_of_any_p_values_is_its_stepwise_rule(p):
    adjusted = statistics.holm(p)
    for alpha in {0.01, 0.05, 0.5}:  # reject the smallest p while p <= alpha / (how many are left)
        left = sorted(range(len(p)), key=p.__getitem__)
        while left and p[left[0]] * len(left) <= alpha:
            left.pop(0)
        assert sorted(left) == [i for i, value in enumerate(adjusted) if value > alpha]
