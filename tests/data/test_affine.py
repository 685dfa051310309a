"""Matrices of the batched affine transform against albumentations'."""

import cv2
import numpy as np
import pytest

from ferlab.data.affine import AffineForm

import albumentations as A  # isort: skip  # after ferlab, which keeps it from asking the network for its version


AFFINES = {
    "poster": {
        "rotate": (-10, 10),
        "scale": (0.9, 1.1),
        "keep_ratio": True,
        "translate_percent": {"x": (-0.1, 0.1), "y": (-0.1, 0.1)},
        "border_mode": cv2.BORDER_REPLICATE,
        "p": 1.0,
    },
    "all": {
        "rotate": (-50, 170),
        "scale": {"x": (0.6, 1.4), "y": (0.8, 1.3)},
        "translate_px": {"x": (-5, 7), "y": (0, 3)},
        "shear": {"x": (-20, 5), "y": (-8, 12)},
        "border_mode": cv2.BORDER_CONSTANT,
        "fill": 77,
        "p": 0.7,
    },
    "shift": {"translate_percent": (-0.2, 0.2), "p": 0.5},
    "still": {"p": 1.0},
}


class Replayed:
    """Stands for the random.Random of an albumentations transform and gives it the uniforms of one face in turn."""

    def __init__(self, values, p):
        self.values = iter(values if 0 < p < 1 else values[1:])  # albumentations draws no p of 0 or 1

    def random(self):
        return next(self.values)

    def uniform(self, a, b):
        return a + (b - a) * self.random()

    def randint(self, a, b):
        return a + int(self.random() * (b - a + 1))


@pytest.mark.parametrize("name", AFFINES)
def test_matrices_are_albumentations_own(name):
    t = A.Affine(**AFFINES[name])
    u = np.random.default_rng(1).random((200, 8))
    _, entries = AffineForm(t).matrices(u, (48, 48), np)
    for row, found in zip(u, np.stack(np.broadcast_arrays(*entries), 1), strict=True):
        t.set_random_state(np.random.default_rng(0), Replayed(row[1:].tolist(), 0.5))
        expected = t.get_params_dependent_on_data({"shape": (48, 48, 1)}, {})["matrix"]
        np.testing.assert_allclose(found.reshape(2, 3), expected[:2], rtol=0, atol=1e-12)
