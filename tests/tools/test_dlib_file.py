"""dlib's face recognition net: its file's tensors and what they compute."""

import struct
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch.nn import functional as F

from ferlab.errors import FerlabError
from ferlab.nets.preprocess import Preprocess
from ferlab.nets.transfer import Transfer
from ferlab.training.pretrained.weights import open_weights
from tests.training.pretrained.conftest import backbone_of
from tools import published_nets
from tools.convert_weights import convert

# filters of the residual blocks, from dlib's dnn_face_recognition_ex.cpp; a star halves the sides
BLOCKS = ["32", "32", "32", "64*", "64", "64", "64", "128*", "128", "128", "256*", "256", "256", "256*"]


def number(value: int) -> bytes:
    """An integer as dlib writes it: how many bytes it takes, then those."""
    size = max(1, (value.bit_length() + 7) // 8)
    return bytes([size]) + value.to_bytes(size, "little")


def tensor(values: np.ndarray) -> bytes:
    """A tensor as dlib writes it: version 2, four sizes, float32."""
    sizes = b"".join(number(n) for n in (values.size, 1, 1, 1))
    return number(2) + sizes + values.astype("<f4").tobytes()


@pytest.fixture(scope="module")
def layers() -> list[np.ndarray]:
    """Random convolutions with biases and affine constants in the net's order, and its last matrix."""
    rng = np.random.default_rng(0)

    def convolution(inputs: int, filters: int, side: int) -> list[np.ndarray]:
        scale = np.sqrt(2 / (inputs * side**2))
        return [
            np.concatenate([rng.normal(0, scale, filters * inputs * side**2), rng.normal(0, 0.1, filters)]),
            np.concatenate([rng.uniform(0.5, 1.0, filters), rng.normal(0, 0.1, filters)]),
        ]

    found, inputs = convolution(3, 32, 7), 32
    for block in BLOCKS:
        filters = int(block.rstrip("*"))
        found += convolution(inputs, filters, 3) + convolution(filters, filters, 3)
        inputs = filters
    return [values.astype(np.float32) for values in [*found, rng.normal(size=256 * 128)]]


@pytest.fixture(scope="module")
def file(layers, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("dlib") / "net.dat"
    settings = struct.pack("<8f", *range(8)) + number(5) + b"affine_"
    path.write_bytes(b"loss_metric_2" + settings.join(tensor(values) for values in layers) + settings)
    return path


@pytest.fixture(scope="module")
def converted(file) -> Path:
    convert(file, file.with_suffix(".safetensors"))
    return file.with_suffix(".safetensors")


def reference(layers: list[np.ndarray], x: torch.Tensor) -> torch.Tensor:
    """Features [B,256] by dlib's own layers: convolution with bias, affine constants, add_prev with zeros."""
    parts = iter([torch.from_numpy(values) for values in layers])

    def convolved(x: torch.Tensor, filters: int, side: int, stride: int, padding: int) -> torch.Tensor:
        values, affine = next(parts), next(parts).view(2, filters, 1, 1)
        kernel = values[:-filters].view(filters, x.shape[1], side, side)
        return F.conv2d(x, kernel, values[-filters:], stride, padding) * affine[0] + affine[1]

    x = F.max_pool2d(convolved(x, 32, 7, 2, 0).relu(), 3, 2)
    for block in BLOCKS:
        filters, halves = int(block.rstrip("*")), block.endswith("*")
        y = convolved(x, filters, 3, 2 if halves else 1, 0 if halves else 1).relu()
        y = convolved(y, filters, 3, 1, 1)
        if halves:
            x = F.avg_pool2d(x, 2)
        b, c, h, w = np.maximum(x.shape, y.shape)
        sum_ = torch.zeros(b, c, h, w)
        for part in (x, y):
            sum_[:, : part.shape[1], : part.shape[2], : part.shape[3]] += part
        x = sum_.relu()
    return x.mean((2, 3))


@pytest.mark.parametrize("size", [128, 150])
def test_the_file_gives_what_dlibs_layers_compute(converted, layers, size):
    found = open_weights(str(converted), "dlib_resnet29", 3)
    assert found.folded
    assert "145 of 145" in found.summary
    x = torch.from_numpy(np.random.default_rng(1).standard_normal((2, 3, size, size), np.float32))
    with torch.no_grad():
        expected = reference(layers, x)
        torch.testing.assert_close(backbone_of(found, "dlib_resnet29")(x), expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.1


def test_pixels_are_dlibs():
    grey = torch.arange(256.0).view(1, 1, 16, 16)
    expected = (grey - torch.tensor([122.782, 117.001, 104.298]).view(1, 3, 1, 1)) / 256
    torch.testing.assert_close(
        Preprocess(16, 3, **asdict(published_nets._DLIB.input))(grey), expected, atol=1e-6, rtol=0
    )


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda data: data[: len(data) // 2], "expected the 59 tensors"),
        (lambda data: b"anything else", "expected the 59 tensors .* found 0 tensors"),
    ],
)
def test_another_dat_is_refused(file, tmp_path, damage, expected):
    (tmp_path / "other.dat").write_bytes(damage(file.read_bytes()))
    with pytest.raises(FerlabError, match=rf"other\.dat holds no weights that can be loaded safely: {expected}"):
        convert(tmp_path / "other.dat", tmp_path / "out.safetensors")


def test_another_net_is_refused_with_the_model_to_type(converted):
    with pytest.raises(FerlabError, match="type model=dlib_resnet29"):
        open_weights(str(converted), "resnet18", 3)


def test_timm_knows_it_and_says_where_its_weights_are():
    assert sum(p.numel() for p in Transfer("dlib_resnet29", 3, 7, [], 0.0).backbone.parameters()) == 5_578_272
    assert timm.create_model("dlib_resnet29", num_classes=5).eval()(torch.zeros(1, 3, 150, 150)).shape == (1, 5)
    with pytest.raises(RuntimeError, match=r"tools/convert_weights\.py"):
        timm.create_model("dlib_resnet29", pretrained=True)
