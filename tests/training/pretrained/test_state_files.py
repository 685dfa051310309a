"""Files of weights: every kind and container gives the same tensors, and no file runs code."""

import argparse
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
import yaml

from ferlab.errors import FerlabError
from ferlab.nets.transfer import Transfer
from ferlab.training.pretrained.found import Normalisation
from ferlab.training.pretrained.weights import open_weights
from tests.training.pretrained.conftest import SMALL, same_features, saved


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".bin", ".tar", ".ckpt", ".PTH"])
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
def test_containers_and_wrappers_are_removed(container, prefix, small, tmp_path):
    state = {prefix + name: tensor for name, tensor in small.state_dict().items()}
    if prefix in ("backbone.", "net.backbone."):
        state |= {prefix.replace("backbone.", "head.weight"): torch.zeros(7, 64), "neck.weight": torch.zeros(1)}
    content = state if container == "{}" else {container: state, "epoch": 3, "args": argparse.Namespace(lr=0.1)}
    torch.save(content, tmp_path / "x.pth")
    found = open_weights(str(tmp_path / "x.pth"), SMALL, 3)
    assert same_features(found, small)
    assert ("weights' average" in found.summary) == container.endswith("_ema")
    assert ("1 more (neck.weight)" in found.summary) == ("backbone." in prefix)


def test_of_two_sets_the_average_is_taken_and_reported(small, tmp_path):
    raw = {name: torch.zeros_like(tensor) for name, tensor in small.state_dict().items()}
    torch.save({"state_dict": raw, "state_dict_ema": small.state_dict()}, tmp_path / "x.pth.tar")
    found = open_weights(str(tmp_path / "x.pth.tar"), SMALL, 3)
    assert same_features(found, small)
    assert "the weights' average, state_dict_ema, is taken" in found.summary


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
        ("model.h5", b"\x89HDF", "expected one of .safetensors, .pth"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FerlabError, match=match) as error:
            open_weights(str(tmp_path / name), SMALL, 3)
        assert "\n" not in str(error.value)
        assert "weights_only" not in str(error.value)  # torch's advice to load unsafely
    with pytest.raises(FerlabError, match="is a folder"):
        open_weights(str(tmp_path), SMALL, 3)
    with pytest.raises(FerlabError, match="is not there; expected none, hub, a file or a name"):
        open_weights(str(tmp_path / "absent.pth"), SMALL, 3)
    with pytest.raises(
        FerlabError, match=r"is not there; python -m ferlab\.reproduce paper=table2 trains that run first"
    ):
        open_weights(str(tmp_path / "start-senet50-s0" / "checkpoints" / "best.ckpt"), SMALL, 3)
    for content in (torch.zeros(3), [torch.zeros(3)], {0: torch.zeros(3)}, {"state_dict": {"a": "b"}}):
        with pytest.raises(FerlabError, match="no tensors by name"):
            open_weights(saved(content, tmp_path), SMALL, 3)


@pytest.mark.parametrize("suffix", [".pkl", ".dat", ".PKL"])
def test_what_must_be_converted_is_refused_with_the_command(suffix, tmp_path):
    file = tmp_path / f"published{suffix}"
    file.write_bytes(pickle.dumps({"conv1.weight": np.zeros(3)}, 2))
    with pytest.raises(FerlabError, match=rf"python -m tools\.convert_weights {file} OUT\.safetensors") as error:
        open_weights(str(file), SMALL, 3)
    assert "\n" not in str(error.value)


def test_a_published_file_with_other_names_is_refused_with_the_command(tmp_path):
    oxford = {"conv1_7x7_s2.weight": torch.zeros(64, 3, 7, 7), "conv1_7x7_s2_bn.weight": torch.zeros(64)}
    with pytest.raises(FerlabError, match=r" 0 of \d+ backbone tensors fit; .*python -m tools\.convert_weights"):
        open_weights(saved(oxford, tmp_path), "resnet50", 3)


def test_vggface2s_resnet50_with_timms_names_does_not_load_as_another_function(tmp_path):
    with torch.device("meta"):
        state = timm.create_model("resnet50", num_classes=8631).state_dict()
    state = {name: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape) for name, tensor in state.items()}
    with pytest.raises(FerlabError, match=r"is VGGFace2's; convert it first: python -m tools\.convert_weights"):
        open_weights(saved(state, tmp_path), "resnet50", 3)


# Code in files


class Bomb:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".ckpt", ".tar"])
@pytest.mark.parametrize("kind", ["plain", "torch", "old torch"])
def test_a_bomb_does_not_go_off(suffix, kind, tmp_path):
    marker, file = tmp_path / "marker", tmp_path / f"bomb{suffix}"
    for bomb in (Bomb(os.mkdir, str(marker)), Bomb(eval, f"open({str(marker)!r}, 'w')"), Bomb(Path.touch, marker)):
        content = {"state_dict": {"conv1.weight": bomb}}
        if kind == "plain":
            file.write_bytes(pickle.dumps(content, protocol=2))
        else:
            torch.save(content, file, _use_new_zipfile_serialization=kind == "torch")
        with pytest.raises(FerlabError, match="safely"):
            open_weights(str(file), SMALL, 3)
        assert not marker.exists()
    torch.save(content, file)
    torch.load(file, weights_only=False)
    assert marker.exists()  # it is a bomb


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
    assert found.input == Normalisation([1.0, 2.0, 3.0], [1.0, 1.0, 2.0], 255.0)
    assert found.caffe_strides
    assert "ferlab run faces-s0" in found.source
    assert "left out" not in found.summary
    assert {name: tensor.shape for name, tensor in found.head.items()} == {"1.weight": (7, 2048), "1.bias": (7,)}
    assert torch.equal(found.head["1.weight"], net.head[1].weight)
    assert "weights' average" in found.summary
    (run / "checkpoints" / "last.ckpt.sha256").write_text("0\n")
    with pytest.raises(FerlabError, match="is not what was saved"):
        open_weights(str(run / "checkpoints" / "last.ckpt"), "resnet50", 3)
