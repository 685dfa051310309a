"""Diversity of members against references, and its files."""

import csv
import itertools

import numpy as np
import pytest
from PIL import Image
from scipy.special import softmax
from sklearn.metrics import cohen_kappa_score

from ferlab.ensembling import diversity


def made(members=4, n=200, seed=0, noise=(0.6, 1.0, 1.4, 2.0)):
    """Probabilities [M,N,7] of members that know the truth but for noise, and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 7, n)
    logits = 2.0 * np.eye(7)[labels] + np.array(noise)[:members, None, None] * rng.standard_normal((members, n, 7))
    return softmax(1.5 * logits, axis=2), labels


# Diversity


def test_diversity_is_that_of_the_references(tmp_path):
    p, labels = made(n=300)
    predicted = p.argmax(2)
    found = diversity.pairs(["a", "b", "c", "d"], predicted, labels)
    assert [(f["first"], f["second"]) for f in found] == list(itertools.combinations("abcd", 2))
    for pair in found:
        a, b = (predicted["abcd".index(pair[k])] for k in ("first", "second"))
        assert pair["kappa"] == pytest.approx(cohen_kappa_score(a, b))
        assert pair["double_fault"] == pytest.approx(
            np.mean([x != t and y != t for x, y, t in zip(a, b, labels, strict=True)])
        )
        wrong = np.float64(a != labels), np.float64(b != labels)
        cov = np.mean(wrong[0] * wrong[1]) - wrong[0].mean() * wrong[1].mean()
        assert pair["error_correlation"] == pytest.approx(cov / wrong[0].std() / wrong[1].std())
    diversity.write(tmp_path, ["a", "b", "c", "d"], found)
    with (tmp_path / "pairs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["kappa"]) for row in rows] == [pair["kappa"] for pair in found]
    with Image.open(tmp_path / "error_correlation.png") as picture:
        assert min(picture.size) > 300


def test_what_cannot_be_said_is_left_open(tmp_path):
    labels = np.zeros(10, int)
    (pair,) = diversity.pairs(["a", "b"], np.zeros((2, 10), int), labels)
    assert pair["error_correlation"] is None
    assert pair["kappa"] is None
    assert pair["double_fault"] == 0
    diversity.write(tmp_path, ["a", "b"], [pair])
    assert (tmp_path / "error_correlation.png").is_file()
