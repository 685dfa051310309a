"""Preprocessing against numpy, Pillow and torch: the one place where pixels become a net's input."""

import numpy as np
import pytest
import torch
from PIL import Image

from ferlab.nets.preprocess import Preprocess, grey

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@pytest.fixture(scope="module")
def faces():
    noise = np.random.default_rng(0).integers(0, 256, (3, 1, 48, 48), np.uint8)
    noise[0, 0, :4] = 0
    noise[0, 0, 4:8] = 255
    return noise


@pytest.mark.parametrize(
    ("channels", "mean", "std", "scale"),
    [
        (1, [0.508], [0.255], 1.0),
        (3, IMAGENET["mean"], IMAGENET["std"], 1.0),
        (3, [131.0912, 103.8827, 91.4953], [1.0, 1.0, 1.0], 255.0),  # VGGFace2's
    ],
)
def test_values_are_those_of_numpy(faces, channels, mean, std, scale):
    out = Preprocess(48, channels, mean, std, scale)(torch.from_numpy(faces))
    shape = (1, channels, 1, 1)
    expected = (faces / 255.0 * scale - np.reshape(mean, shape)) / np.reshape(std, shape)
    assert out.dtype == torch.float32
    assert out.shape == (3, channels, 48, 48)
    np.testing.assert_allclose(out.numpy(), expected, atol=1e-6 * max(1, scale), rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32, torch.float64])
def test_dtype_does_not_matter(faces, dtype):
    preprocess = Preprocess(64, 3, **IMAGENET)
    expected = preprocess(torch.from_numpy(faces))
    torch.testing.assert_close(preprocess(torch.from_numpy(faces).to(dtype)), expected, rtol=0, atol=0)


@pytest.mark.parametrize(("side", "size"), [(48, 197), (48, 224), (120, 48), (49, 48)])
def test_resizing_is_pillows(side, size):
    # A smooth picture with an edge: antialiasing and pixel centres both show.
    y, x = np.mgrid[:side, :side] / side
    face = (120 + 100 * np.sin(9 * x) * np.cos(7 * y) + 30 * (x > 0.5)).clip(0, 255).astype(np.float32)
    out = Preprocess(size, 1, [0.0], [1.0], 255.0)(torch.from_numpy(face)[None, None])[0, 0].numpy()
    expected = np.asarray(Image.fromarray(face).resize((size, size), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(out, expected, atol=0.05)  # of 255 grey levels


def test_a_face_does_not_depend_on_its_batch(faces):
    preprocess = Preprocess(64, 3, **IMAGENET)
    x = torch.from_numpy(faces)
    for i in range(len(x)):
        torch.testing.assert_close(preprocess(x[i : i + 1])[0], preprocess(x)[i], rtol=0, atol=1e-6)


def test_moves_with_the_module_but_is_no_weight():
    preprocess = Preprocess(48, 3, **IMAGENET)
    assert preprocess.state_dict() == {}  # mean and std come from the config, not from a checkpoint
    assert preprocess.to("meta").gain.is_meta


@pytest.mark.parametrize(("mean", "std"), [([0.5], [0.2] * 3), ([0.5] * 3, [0.2])])
def test_one_mean_and_deviation_a_channel(mean, std):
    with pytest.raises(ValueError, match="expected 3 means and standard deviations"):
        Preprocess(48, 3, mean, std)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_grey_is_pillows(channels, dtype):
    rgba = np.random.default_rng(1).integers(0, 256, (2, 30, 40, 4), np.uint8)
    out = grey(torch.from_numpy(rgba[..., :channels]).to(dtype))
    assert out.shape == (2, 1, 30, 40)
    assert out.dtype == torch.float32
    for picture, result in zip(rgba, out, strict=True):
        expected = np.asarray(Image.fromarray(picture[..., :3]).convert("L"), np.float32)
        assert np.abs(result[0].numpy() - expected).max() < 1


def test_grey_leaves_greys_as_they_are():
    levels = torch.arange(256).view(1, 16, 16, 1).expand(-1, -1, -1, 3)
    torch.testing.assert_close(grey(levels)[0, 0], levels[0, ..., 0].float(), rtol=0, atol=1e-4)
