"""Scores against scikit-learn's."""

import json

import numpy as np
import pytest
from sklearn import metrics
from statsmodels.stats.proportion import proportion_confint

from ferlab.data.faces import Faces, hard_targets
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.metrics import scores


def made_faces(labels, seed=0):
    n = len(labels)
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 48, 48), dtype=np.uint8)
    subject, row = np.full(n, -1, np.int32), np.arange(100, 100 + n, dtype=np.int32)
    return Faces(pixels, hard_targets(np.asarray(labels, int)), np.full(n, 2, np.uint8), subject, row)


def made(n=400, classes=range(7), seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(list(classes), n)
    logits = rng.normal(size=(n, 7)) + 1.5 * np.eye(7)[labels]
    p = np.exp(logits)
    return (p / p.sum(1, keepdims=True)).astype(np.float32), made_faces(labels), rng.random(n) < 0.2


def test_counts_recall_precision_and_f1_equal_scikit_learns():
    p, faces, twins = made()
    m = scores.measure(p, faces, twins)
    predicted = p.argmax(1)
    assert m["confusion_matrix"] == metrics.confusion_matrix(faces.labels, predicted, labels=range(7)).tolist()
    assert m["accuracy"] == pytest.approx(metrics.accuracy_score(faces.labels, predicted))
    assert m["macro_recall"] == pytest.approx(metrics.balanced_accuracy_score(faces.labels, predicted))
    assert m["macro_f1"] == pytest.approx(metrics.f1_score(faces.labels, predicted, average="macro"))
    theirs = metrics.precision_recall_fscore_support(faces.labels, predicted, labels=range(7))
    for ours, expected in zip(("precision", "recall", "f1", "support"), theirs, strict=True):
        assert list(m[ours]) == list(EXPRESSIONS)
        np.testing.assert_allclose(list(m[ours].values()), expected)
    assert m["disgust_misclassification"] == pytest.approx(1 - theirs[1][1])
    assert (m["n"], m["correct"]) == (400, (predicted == faces.labels).sum())
    alone = m["without_train_twins"]
    assert alone["n"] == (~twins).sum()
    assert alone["accuracy"] == pytest.approx(metrics.accuracy_score(faces.labels[~twins], predicted[~twins]))


def test_likelihood_and_brier_score_equal_scikit_learns():
    p, faces, twins = made()
    m = scores.measure(p, faces, twins)
    double = p.astype(float) / p.astype(float).sum(1, keepdims=True)
    assert m["nll"] == pytest.approx(metrics.log_loss(faces.labels, double, labels=range(7)), abs=1e-6)
    theirs = metrics.brier_score_loss(faces.labels, double, labels=range(7), scale_by_half=False)
    assert m["brier"] == pytest.approx(theirs, abs=1e-6)


def test_calibration_error_equals_a_loop():
    p, faces, twins = made()
    m = scores.measure(p, faces, twins)
    loop, confidence, correct = 0.0, p.max(1), p.argmax(1) == faces.labels
    for b in range(15):
        here = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if here.any():
            loop += here.mean() * abs(correct[here].mean() - confidence[here].mean())
    assert m["ece"] == pytest.approx(loop, abs=1e-6)
    assert sum(b["n"] for b in m["reliability"]) == 400


def _numbers(value):
    if isinstance(value, dict):
        value = list(value.values())
    return [n for v in value for n in _numbers(v)] if isinstance(value, list) else [value]


CORNERS = pytest.mark.parametrize(
    ("p", "labels", "twins"),
    [
        (made(60, (0, 2, 3))[0], made(60, (0, 2, 3))[1].labels, np.zeros(60, bool)),  # four classes have no face
        (np.eye(7)[[3]], [3], [False]),  # one face
        (np.eye(7)[[3]], [3], [True]),  # which stands in training
        (np.full((20, 7), 1 / 7), np.arange(20) % 7, np.zeros(20, bool)),  # constant
        (np.eye(7)[np.zeros(20, int)], np.arange(20) % 7, np.ones(20, bool)),  # sure and mostly wrong
        (np.eye(7)[np.arange(14) % 7], np.arange(14) % 7, np.zeros(14, bool)),  # sure and right
    ],
)


@CORNERS
def test_corners_give_null_instead_of_nan(p, labels, twins):
    p, faces = np.asarray(p, np.float32), made_faces(labels)
    m = scores.measure(p, faces, twins)
    assert all(n is None or isinstance(n, str) or np.isfinite(n) for n in _numbers(m))
    present = [k for k in range(7) if k in faces.labels]
    assert [e for e, r in m["recall"].items() if r is not None] == [EXPRESSIONS[k] for k in present]
    expected = metrics.recall_score(faces.labels, p.argmax(1), labels=present, average="macro", zero_division=0)
    assert m["macro_recall"] == pytest.approx(expected)
    assert m["macro_f1"] == pytest.approx(metrics.f1_score(faces.labels, p.argmax(1), average="macro"))
    assert (m["disgust_misclassification"] is None) == (1 not in present)
    if np.all(twins):
        assert m["without_train_twins"] == {"n": 0, "correct": 0, "accuracy": None, "interval95": None}
    json.dumps(m, allow_nan=False)


@pytest.mark.parametrize(
    ("p", "n", "message"),
    [
        (np.zeros((0, 7)), 0, "no faces"),
        (np.full((3, 7), np.nan), 3, "NaN or infinity for 3 of 3"),
        (np.full((3, 6), 1 / 6), 3, r"\(3, 7\).*found \(3, 6\)"),
        (np.full((2, 7), 1 / 7), 3, r"\(3, 7\).*found \(2, 7\)"),
        (np.random.default_rng(0).normal(size=(3, 7)), 3, "not logits"),
    ],
)
def test_what_is_no_probability_is_refused(p, n, message):
    with pytest.raises(FerlabError, match=message):
        scores.measure(p, made_faces(np.arange(n)), np.zeros(n, bool))


def test_recall_has_wilsons_intervals_and_a_mean_over_classes_of_enough_faces():
    rng = np.random.default_rng(4)
    labels = np.repeat(np.arange(7), [40, 39, 0, 100, 60, 1, 200])
    p = rng.dirichlet(np.ones(7), len(labels))
    m = scores.measure(p, made_faces(labels), np.zeros(len(labels), bool))
    right = p.argmax(1) == labels
    for k, name in enumerate(EXPRESSIONS):
        mine, n = m["recall_interval95"][name], int((labels == k).sum())
        if n:
            theirs = proportion_confint(int(right[labels == k].sum()), n, method="wilson")
            np.testing.assert_allclose(mine, theirs, atol=1e-9)
        else:
            assert mine is None
    frequent = [0, 3, 4, 6]
    assert m["frequent_recall"]["classes"] == [EXPRESSIONS[k] for k in frequent]
    theirs = metrics.recall_score(labels, p.argmax(1), labels=frequent, average="macro")
    assert m["frequent_recall"]["mean"] == pytest.approx(theirs)
