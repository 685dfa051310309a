"""JPEG on the device against cv2's on the host, beyond what test_augment compares of every form."""

import cv2
import numpy as np
import pytest
import torch
from scipy import fft

from ferlab.data import camera
from ferlab.data.augment import Augment

import albumentations as A  # isort: skip  # after ferlab, which keeps it from asking the network for its version


@pytest.fixture(scope="module")
def photos():
    """Faces as smooth as photographs, uint8 [200,48,48]."""
    noise = np.random.default_rng(0).integers(0, 256, (200, 48, 48), dtype=np.uint8)
    blurred = np.stack([cv2.GaussianBlur(face, (0, 0), 2).astype(np.float32) for face in noise])
    low, high = blurred.min((1, 2), keepdims=True), blurred.max((1, 2), keepdims=True)
    return ((blurred - low) / (high - low) * 255).astype(np.uint8)


@pytest.mark.parametrize("quality", [5, 20, 50, 75, 95])
def test_jpeg_on_the_device_is_libjpegs_but_for_steps_between_two(photos, quality):
    augment, index = Augment([A.ImageCompression("jpeg", (quality, quality), p=1.0)], seed=1), np.arange(len(photos))
    host = augment.on_host(photos, index, 0).astype(np.float32)
    device = augment.on_device(torch.from_numpy(photos)[:, None], torch.from_numpy(index), 0)[:, 0].numpy()
    lost = np.abs(host - photos).mean()
    off = np.abs(device - host)
    assert off.mean() < 0.25  # of grey levels
    assert off.mean() < 0.3 * lost
    assert (off <= 2).mean() > 0.98


def test_the_table_and_the_cosines_are_the_standards():
    table = camera._base_table(torch.device("cpu"))
    assert (table[0, 0], table[0, 7], table[7, 0], table[6, 5], table[7, 7]) == (16, 61, 72, 121, 99)
    blocks = np.random.default_rng(1).normal(size=(5, 8, 8))
    cosines = camera._cosines(torch.device("cpu")).double()
    found = cosines @ torch.from_numpy(blocks) @ cosines.T
    np.testing.assert_allclose(found, fft.dctn(blocks, axes=(1, 2), norm="ortho"), atol=1e-6)


def test_the_camera_policy_hides_and_darkens_but_leaves_faces(photos):
    from omegaconf import OmegaConf

    from ferlab.config import build

    nodes = OmegaConf.load("conf/augment/camera.yaml").policy
    changed = Augment([build(node) for node in nodes], seed=0).on_host(photos, np.arange(len(photos)), 0)
    assert (changed != photos).any((1, 2)).mean() > 0.99
    assert changed.std((1, 2)).min() > 2  # no face is gone
    assert changed.mean() < photos.mean()
