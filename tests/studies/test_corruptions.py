"""Corruptions against Pillow, albumentations and their own distance to the clean face."""

import io

import albumentations as A
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import rotate

from ferlab.data.drawn import draw
from ferlab.errors import FerlabError
from ferlab.studies.corruptions import CORRUPTIONS, STRENGTHS, corrupt


@pytest.fixture(scope="module")
def pixels():
    return draw(n_train=24, n_val=8, n_test=8, seed=3).pixels[:24]


def away(pixels, name, strength):
    return np.abs(corrupt(pixels, name, strength).astype(float) - pixels).mean((1, 2))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_strength_lies_further_from_the_clean_face(name, pixels):
    distance = np.stack([away(pixels, name, s) for s in STRENGTHS])  # [5,N]
    assert (distance[0] > 0).all()
    assert (np.diff(distance.mean(1)) > 0.2).all()
    assert (np.diff(distance, axis=0) >= 0).mean() > 0.95


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_face_is_corrupted_alike_in_any_order_and_another_otherwise(name, pixels):
    before = pixels.copy()
    whole = corrupt(pixels, name, 3)
    np.testing.assert_array_equal(corrupt(pixels[::-1], name, 3)[::-1], whole)
    np.testing.assert_array_equal(corrupt(pixels[5:6], name, 3)[0], whole[5])
    np.testing.assert_array_equal(pixels, before)
    assert (whole.dtype, whole.shape) == (np.uint8, pixels.shape)


def test_draws_differ_between_faces(pixels):
    residual = corrupt(pixels, "noise", 1).astype(int) - pixels
    assert len({r.tobytes() for r in residual}) == len(pixels)
    turned = corrupt(pixels, "tilt", 3)
    left = [np.abs(rotate(f.astype(float), 20, reshape=False, order=1, mode="nearest") - t)[8:40, 8:40].mean() < 4
            for f, t in zip(pixels, turned, strict=True)]  # fmt: skip
    right = [np.abs(rotate(f.astype(float), -20, reshape=False, order=1, mode="nearest") - t)[8:40, 8:40].mean() < 4
             for f, t in zip(pixels, turned, strict=True)]  # fmt: skip
    assert all(a != b for a, b in zip(left, right, strict=True))
    assert 0 < sum(left) < len(pixels)


def test_noise_has_the_spread_it_says():
    grey = np.full((40, 48, 48), 128, np.uint8)
    grey[:, 0, 0] = np.arange(40)  # so that each face has its own draw
    residual = corrupt(grey, "noise", 2).astype(float) - grey
    assert residual.std() == pytest.approx(16, rel=0.02)
    assert abs(residual.mean()) < 0.3


def test_light_blur_and_jpeg_equal_other_libraries(pixels):
    np.testing.assert_array_equal(corrupt(pixels, "dim_light", 2), np.rint(pixels * 0.5).astype(np.uint8))
    blurred = A.GaussianBlur(blur_limit=0, sigma_limit=(1.2, 1.2), p=1)
    for face, ours in zip(pixels[:6], corrupt(pixels[:6], "blur", 3), strict=True):
        assert np.abs(blurred(image=face[..., None])["image"][..., 0].astype(int) - ours).max() <= 2
    jpeg = A.ImageCompression(quality_range=(10, 10), p=1)
    for face, ours in zip(pixels[:6], corrupt(pixels[:6], "jpeg", 4), strict=True):
        np.testing.assert_array_equal(jpeg(image=face[..., None])["image"][..., 0], ours)
        buffer = io.BytesIO()
        Image.fromarray(face).save(buffer, format="jpeg", quality=10)
        assert np.abs(np.asarray(Image.open(buffer)).astype(int) - ours).mean() < 1


def test_unknown_corruptions_and_strengths_are_refused(pixels):
    with pytest.raises(FerlabError, match="corruption is 'fog'; choose dim_light"):
        corrupt(pixels, "fog", 1)
    with pytest.raises(FerlabError, match="strength is 6; choose 1, 2"):
        corrupt(pixels, "blur", 6)
