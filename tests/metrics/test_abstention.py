"""The threshold against one found by trying all of them with statsmodels' intervals."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from ferlab.errors import FerlabError
from ferlab.metrics.abstention import at_coverage, calibrate


def made(n=2000, seed=0, skill=4.0):
    """Probabilities [N,7] and labels: more often right where confident."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 7, n)
    logits = rng.normal(0, 1, (n, 7))
    logits[np.arange(n), labels] += rng.uniform(0, skill, n)
    p = np.exp(logits)
    return (p / p.sum(1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("wanted", [0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_least_threshold_that_keeps_the_promise(wanted, seed):
    p, labels = made(seed=seed)
    found = calibrate(p, labels, wanted)
    right = p.argmax(1) == labels
    steps = np.arange(100)[:, None] / 100
    keeps = p.max(1) >= steps
    lower, _ = proportion_confint((keeps & right).sum(1), np.maximum(keeps.sum(1), 1), method="wilson")
    good = steps[lower >= wanted][:, 0]
    assert found["threshold"] == good[0]
    kept = p.max(1) >= good[0]
    assert found["kept"] == pytest.approx(kept.mean())
    assert (found["n"], found["correct"]) == (kept.sum(), right[kept].sum())
    fresh, truth = made(seed=seed + 10)
    sure = fresh.max(1) >= found["threshold"]
    assert (fresh.argmax(1) == truth)[sure].mean() > wanted - 0.02


def test_none_where_no_threshold_will_do_and_zero_where_none_is_needed():
    p, labels = made(300, skill=0)
    nobody = {"n": 0, "correct": 0, "accuracy": None, "interval95": None}
    assert calibrate(p, labels, 0.99) == {"threshold": None, "wanted": 0.99, "kept": 0.0, **nobody}
    sure = np.eye(7, dtype=np.float32)[labels]
    assert calibrate(sure, labels, 0.9)["threshold"] == 0
    assert calibrate(sure, labels, 0.9)["kept"] == 1


def test_what_is_no_share_or_no_faces():
    p, labels = made(10)
    for wanted in (0, 1, 80):
        with pytest.raises(FerlabError, match="between 0 and 1"):
            calibrate(p, labels, wanted)
    with pytest.raises(FerlabError, match="no faces"):
        calibrate(p[:0], labels[:0], 0.8)


def test_coverage_equals_a_loop():
    rng = np.random.default_rng(2)
    confidence = np.round(rng.random(300), 2)  # with equal ones
    correct = rng.random(300) < confidence
    rows = at_coverage(confidence, correct, [1.0, 0.3])
    surest = sorted(range(300), key=lambda i: (-confidence[i], i))[:90]
    assert [row["n"] for row in rows] == [300, 90]
    assert rows[1]["accuracy"] == pytest.approx(correct[surest].mean())
    assert rows[1]["threshold"] == confidence[surest[-1]]
