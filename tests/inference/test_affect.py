"""Valence and arousal against sums by hand."""

import numpy as np
import pytest

from ferlab.expressions import EXPRESSIONS
from ferlab.inference.affect import COORDINATES, affect_of


def probabilities(**shares: float) -> np.ndarray:
    return np.array([shares.get(name, 0) for name in EXPRESSIONS], np.float32)


@pytest.mark.parametrize(
    ("shares", "valence", "arousal"),
    [
        ({"happy": 1}, 0.81, 0.51),
        ({"neutral": 1}, 0, 0),
        ({"angry": 0.5, "neutral": 0.5}, -0.255, 0.295),
        ({"happy": 0.25, "sad": 0.25, "fear": 0.5}, (0.81 - 0.63) / 4 - 0.32, (0.51 - 0.27) / 4 + 0.3),
        ({"disgust": 0.4, "surprise": 0.6}, -0.24 + 0.24, 0.14 + 0.402),
    ],
    ids=str,
)
def test_the_mean_of_coordinates_is_that_by_hand(shares, valence, arousal):
    found = affect_of(probabilities(**shares))
    assert (found.valence, found.arousal) == (pytest.approx(valence, abs=1e-6), pytest.approx(arousal, abs=1e-6))


def test_each_expression_has_coordinates_on_its_side_of_the_circumplex():
    assert set(COORDINATES) == set(EXPRESSIONS)
    assert all(-1 <= value <= 1 for affect in COORDINATES.values() for value in affect)
    pleasant = {name for name, affect in COORDINATES.items() if affect.valence > 0}
    calm = {name for name, affect in COORDINATES.items() if affect.arousal < 0}
    assert (pleasant, calm) == ({"happy", "surprise"}, {"sad"})
