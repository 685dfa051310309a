"""Warps against scipy and OpenCV."""

import cv2
import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from scipy import ndimage

from ferlab.predictors.views import VIEWS, View
from ferlab.predictors.warping import warp


@pytest.fixture
def faces():
    return np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)


def _inverse(view, side=48):
    """Output pixel (x, y) -> input pixel of a mirrored face, derived apart from the code under test: undo the shift,
    turn clockwise as seen, shrink, all about the centre."""
    turn = np.deg2rad(view.rotate_deg)
    # As seen with y downwards, counter-clockwise by t sends (1, 0) to (cos t, -sin t).
    forward = view.zoom * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    matrix = np.linalg.inv(forward)
    centre = np.full(2, (side - 1) / 2)
    return matrix, centre - matrix @ (centre + view.shift_px)


@pytest.mark.parametrize("view", sorted({*VIEWS["views24"], *VIEWS["poster8"], View(True, (3.5, -1.25), 1.2, 17.0)}))
def test_warp_equals_scipys_affine_transform(faces, view):
    matrix, offset = _inverse(view)
    ours = warp(torch.from_numpy(faces).unsqueeze(1), view)
    for face, mine in zip(faces, ours, strict=True):
        face = face[:, ::-1] if view.mirror else face
        # scipy counts (row, column), not (x, y)
        theirs = ndimage.affine_transform(face.astype(float), matrix[::-1, ::-1], offset[::-1], order=1, mode="nearest")
        np.testing.assert_allclose(mine[0], theirs, atol=0.02)


_SHIFT = st.floats(-24, 24)
_ANY_VIEW = st.builds(View, st.booleans(), st.tuples(_SHIFT, _SHIFT), st.floats(0.5, 2), st.floats(-180, 180))


@hypothesis.settings(derandomize=True, max_examples=60, deadline=None)
@hypothesis.given(_ANY_VIEW, st.integers(8, 48))
def test_any_view_of_any_size_is_scipys(view, side):
    face = np.random.default_rng(side).integers(0, 256, (side, side), dtype=np.uint8)
    matrix, offset = _inverse(view, side)
    mirrored = face[:, ::-1] if view.mirror else face
    theirs = ndimage.affine_transform(mirrored.astype(float), matrix[::-1, ::-1], offset[::-1], order=1, mode="nearest")
    np.testing.assert_allclose(warp(torch.from_numpy(face)[None, None], view)[0, 0], theirs, atol=0.05)


def test_warp_moves_as_opencv_does():
    smooth = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (48, 48)).astype(np.float32), (0, 0), 3)
    view = View(False, (2.0, -3.0), 1.1, 8.0)
    matrix = cv2.getRotationMatrix2D((23.5, 23.5), view.rotate_deg, view.zoom)  # counter-clockwise too
    matrix[:, 2] += view.shift_px
    theirs = cv2.warpAffine(smooth, matrix, (48, 48), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    ours = warp(torch.from_numpy(smooth)[None, None], view)[0, 0]
    np.testing.assert_allclose(ours, theirs, atol=0.5)  # OpenCV rounds places to 1/32 pixel


def test_shift_is_to_the_right_and_down():
    dot = torch.zeros(1, 1, 48, 48)
    dot[0, 0, 10, 20] = 255
    assert warp(dot, View(shift_px=(3.0, 2.0)))[0, 0, 12, 23] == pytest.approx(255, abs=1e-2)


def test_identity_and_mirror_leave_pixels_exactly(faces):
    x = torch.from_numpy(faces).unsqueeze(1)
    assert torch.equal(warp(x, View()), x.float())
    assert torch.equal(warp(x, View(mirror=True)), x.flip(-1).float())
