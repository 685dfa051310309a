"""Resizing and cutting out against plain loops (tests/golden/framing.json), OpenCV's warpAffine and Pillow."""

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ferlab.inference.framing import KEPT_TILT, crop, excess_tilt, resized, square
from tests import reference_detector

GOLDEN = Path(__file__).parents[1] / "golden"
VECTORS = json.loads((GOLDEN / "framing.json").read_text())
PICTURE = np.array(VECTORS["picture"], np.uint8)
SQUARES = json.loads((GOLDEN / "detector.json").read_text())["square"]


def smooth(width: int, height: int) -> np.ndarray:
    """A picture uint8 [H,W,3] without edges, so that ways of interpolation differ little."""
    noise = np.random.default_rng(0).integers(90, 160, (height // 20, width // 20, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("case", VECTORS["resized"], ids=lambda case: f"{case['width']}x{case['height']}")
def test_resizing_is_that_of_plain_loops(case):
    found = resized(PICTURE, case["width"], case["height"])
    np.testing.assert_allclose(found.ravel(), case["is"], atol=1)


@pytest.mark.parametrize("case", VECTORS["excess_tilt"], ids=lambda case: f"{case['box']} {case['eyes']}")
def test_tilt_is_that_of_the_eyes_beyond_what_is_kept(case):
    assert excess_tilt(case["box"], np.array(case["eyes"], float)) == pytest.approx(case["is"])


def test_tilt_of_eyes_that_are_no_numbers_is_none():
    assert excess_tilt([0, 0, 9, 9], np.array([[0, 0], [np.nan, 5]])) == 0
    assert excess_tilt([0, 0, 9, 9], np.array([[0, 0], [3, 5.0]])) == pytest.approx(math.atan2(5, 3) - KEPT_TILT)


@pytest.mark.parametrize("case", VECTORS["crop"], ids=lambda case: f"{case['box']} by {case['tilt']}")
def test_levelled_crops_are_those_of_plain_loops(case):
    found = crop(PICTURE, case["box"], case["side_ratio"], case["raise_ratio"], case["tilt"])
    assert (found[..., 3] == 255).all()
    few = found[:: case["every"], :: case["every"], :3]
    np.testing.assert_allclose(few.reshape(-1, 3), case["is"], atol=1.5)  # OpenCV's weights have 11 bits


@pytest.mark.parametrize("tilt", [-2.6, -1.0, -0.3, 0.02, 0.5, 1.5])
def test_levelling_takes_out_what_opencv_turned(tilt):
    upright, middle = smooth(400, 400), (199.5, 199.5)
    matrix = cv2.getRotationMatrix2D(middle, -math.degrees(tilt), 1)  # OpenCV's angles are counter-clockwise
    tilted = cv2.warpAffine(upright, matrix, (400, 400), flags=cv2.INTER_CUBIC)
    expected = crop(upright, (120, 120, 160, 160), 1.1, 0.0)
    np.testing.assert_allclose(crop(tilted, (120, 120, 160, 160), 1.1, 0.0, tilt), expected, atol=3)


@pytest.mark.parametrize("tilt", [-0.7, 0.4])
def test_the_raise_goes_with_the_tilt_as_in_pillow(tilt):
    picture, box = smooth(300, 300), (100.0, 90.0, 80.0, 90.0)
    x, y = 140 + math.sin(tilt) * 0.1 * 90, 135 - math.cos(tilt) * 0.1 * 90
    turned = Image.fromarray(picture).rotate(math.degrees(tilt), Image.Resampling.BICUBIC, center=(x, y))
    expected = turned.resize((96, 96), Image.Resampling.BOX, box=(x - 54, y - 54, x + 54, y + 54))
    np.testing.assert_allclose(crop(picture, box, 1.2, 0.1, tilt)[..., :3], np.asarray(expected), atol=3)


def test_a_small_tilt_is_hardly_another_crop():
    picture, box = smooth(300, 200), (100.2, 60.7, 70.0, 75.0)
    straight, tilted = (crop(picture, box, 1.17, 0.078, tilt).astype(int) for tilt in (0, 1e-6))
    assert np.abs(straight - tilted).max() <= 4  # whole pixels of the picture in one, parts of them in the other


@pytest.mark.parametrize("case", SQUARES, ids=str)
def test_square(case):
    assert list(square(case["box"], case["side_ratio"], case["raise_ratio"])) == case["is"]


@pytest.mark.parametrize("tilt", [0.0, 1e-9])
def test_crop_repeats_the_rim_of_the_picture(tilt):
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    for box in ((10, 10, 96, 96), (-30, -40, 96, 96), (50, 30, 96, 96)):
        left, top = box[:2]
        rows, columns = np.clip(np.arange(top, top + 96), 0, 59), np.clip(np.arange(left, left + 96), 0, 79)
        cut = crop(picture, box, 1.0, 0.0, tilt)
        np.testing.assert_array_equal(cut[..., :3], picture[rows][:, columns])
        assert (cut[..., 3] == 255).all()


@pytest.mark.parametrize("tilt", [0, 0.5])
@pytest.mark.parametrize("box", [(500, 500, 20, 20), (-500, -9, 20, 20), (3, 3, 0.01, 0.01), (0, 0, 3000, 3000)])
def test_crop_of_any_box_is_a_face_in_size(box, tilt):
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 4), dtype=np.uint8)
    assert crop(picture, box, 1.17, 0.078, tilt).shape == (96, 96, 4)


def test_crop_shrinks_by_averaging():
    lines = np.zeros((192, 192, 3), np.uint8)
    lines[::2] = 255
    np.testing.assert_allclose(crop(lines, (0, 0, 192, 192), 1.0, 0.0)[..., :3], 128, atol=1)


def test_the_golden_file_is_that_of_the_loops():
    case = VECTORS["crop"][1]
    found = reference_detector.levelled(VECTORS["picture"], case["box"], 1.17, 0.078, case["tilt"], case["every"])
    np.testing.assert_allclose(found, case["is"], atol=0.01)
