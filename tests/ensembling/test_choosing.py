"""The best of all ways to make an ensemble, and its cross-validated estimate."""

import csv

import numpy as np
import pytest
from scipy.special import softmax

from ferlab.ensembling import choosing, search, weighting
from tests.ensembling.conftest import FACES, choose, said

# Choosing


def test_auto_takes_the_best_cross_validated_choice_and_of_equals_the_simplest(made):
    folder, choices = choose("best", "tta=[none,flip,views8]", "temperature=auto")
    assert len(choices) == 5 * 2 * 3  # none has one space
    assert [c.rank for c in choices] == sorted(c.rank for c in choices)
    best, about = choices[0], said(folder)
    assert best.cross_validated == max(c.cross_validated for c in choices)
    assert about["chosen_on"]["cross_validated_accuracy"] == best.cross_validated
    assert about["chosen_on"]["choices"] == 30
    assert (about["tta"], about["method"], about["temperature"]) == (best.view_set.name, best.method, best.temperature)
    equals = [c for c in choices if c.cross_validated == best.cross_validated]
    assert len(best.view_set.views) == min(len(c.view_set.views) for c in equals)
    with (folder / "choices.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["optimism"]) == pytest.approx(best.accuracy - best.cross_validated)


def test_the_cross_validated_estimate_does_not_see_the_face_that_it_says():
    """A method that remembers the labels it was fitted on is right in sample, and no better than chance across."""
    labels = FACES.of_split("val").labels
    rng = np.random.default_rng(0)
    drawn = softmax(rng.standard_normal((100, len(labels), 7)), axis=2)  # members that know nothing
    seen = search._sets({"tta": "none", "tta_space": "probability"})[0]
    recipe = weighting.Recipe(5, True, "accuracy", 0, 0)
    config = {"folds": 5, "repeats": 4, "seed": 0}
    (choice,) = choosing.fitted(drawn, labels, seen, "none", ["greedy"], recipe, config)
    assert choice.accuracy > 0.28
    assert abs(choice.cross_validated - 1 / 7) < 0.06
