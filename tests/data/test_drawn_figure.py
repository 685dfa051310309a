"""The shapes of drawn faces move as the expressions say."""

import numpy as np
import pytest

from ferlab.data.drawn_figure import Dice, Figure
from ferlab.data.uniforms import uniforms
from ferlab.expressions import EXPRESSIONS


def figure(expression, n=200):
    """N faces of one expression by the same uniforms, with eyes, brows and mouths."""
    dice = Dice(uniforms(np.arange(n), 0, 0, np.arange(1, 201)))
    made = Figure(dice, np.full(n, EXPRESSIONS.index(expression)))
    made.head()
    for side in (-1, 1):
        made.eye(side)
        made.brow(side)
    made.mouth()
    return made


def test_a_face_is_symmetric_shapes_with_grey_levels():
    made = figure("neutral", 50)
    assert {"hair", "head", "eye -1", "eye 1", "brow 1", "lips", "seam line"} <= set(made.shapes)
    for name, points in made.shapes.items():
        assert points.shape[0] == 50
        assert points.shape[2] == 2
        assert np.isfinite(points).all()
        assert made.tones[name].min() >= 0
        assert made.tones[name].max() <= 255
    np.testing.assert_allclose(
        made.shapes["iris -1"].mean((0, 1))[0], -made.shapes["iris 1"].mean((0, 1))[0], atol=0.03
    )


def test_happy_corners_rise_and_sad_ones_fall():
    rise = {}
    for expression in ("happy", "neutral", "sad"):
        seam = figure(expression).shapes["seam line"][..., 1]  # y grows downwards
        rise[expression] = float((seam[:, 7] - (seam[:, 0] + seam[:, -1]) / 2).mean())
    assert rise["happy"] > rise["neutral"] + 0.05
    assert rise["sad"] < rise["neutral"] - 0.03


def test_surprise_opens_eyes_and_mouth():
    def height(expression, name):
        y = figure(expression).shapes[name][..., 1]
        return float((y.max(1) - y.min(1)).mean())

    for name in ("eye 1", "mouth"):
        assert height("surprise", name) > 1.2 * height("neutral", name)


def test_dice_hand_out_each_column_once():
    dice = Dice(np.array([[0.0, 0.5, 1.0, 0.25]]))
    assert [float(dice(10, 20)[0]), float(dice(10, 20)[0])] == [10, 15]
    assert bool(dice.chance(0.5)[0]) is False
    assert dice.used == 3
    with pytest.raises(IndexError):
        dice.bell(0, 1)
