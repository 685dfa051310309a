"""A file of weights in, its tensors under timm's names out. No file runs code."""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.files import Config
from ferlab.predictors import zoo
from ferlab.runs import checkpoints, directory
from ferlab.training.pretrained.found import Found, Normalisation, Published, reason

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".tar", ".ckpt")
CONVERT = "python -m tools.convert_weights"
_TO_CONVERT = (".pkl", ".dat")
_AVERAGES = ("state_dict_ema", "model_ema")  # timm's and DeiT's exponential moving average
_PARTS = (*_AVERAGES, "state_dict", "model")
_WRAPPERS = re.compile(r"((module|_orig_mod|model|net|backbone)\.)*")  # DataParallel, compile, and nets around a net
_HEAD = "net.head."  # of a Transfer net in a run's checkpoint
_VGGFACE2 = 8631  # identities


def from_file(weights: str, expected: Mapping[str, torch.Size], backbone: str) -> Found:
    """The weights in a file, for a backbone whose tensors have these names and shapes.

    Raises:
        FerlabError: no file, a damaged one, one that wants to run code, or one for another net.
    """
    path = Path(weights).expanduser()
    content, published = _read(path)
    part = next((key for key in _PARTS if isinstance(content, Mapping) and isinstance(content.get(key), Mapping)), None)
    state = content[part] if part else content
    pairs = state.items() if isinstance(state, Mapping) else []
    tensors = {name: value for name, value in pairs if isinstance(name, str) and isinstance(value, Tensor)}
    if not tensors:
        raise FerlabError(f"{path} holds no tensors by name; give a file with a state_dict")

    groups: dict[str, dict[str, Tensor]] = {}  # by the wrappers in front of the names
    for name, tensor in tensors.items():
        wrapped = _WRAPPERS.match(name)
        wrappers = wrapped.group() if wrapped and name not in expected else ""
        groups.setdefault(wrappers, {})[name.removeprefix(wrappers)] = tensor
    best = max(groups, key=lambda wrappers: len(groups[wrappers].keys() & expected.keys()))
    found = Found(groups.pop(best), f"file: {path.name}, sha256 {files.sha256_of(path)[:12]}")
    found.outside = [name for group in groups.values() for name in group]
    if published:
        published.refuse_other(str(path), backbone)
        _take_published(found, published)
    elif _is_vggface2s(found.state):  # of timm's names and another function: no other check would find it
        raise FerlabError(f"{path} is VGGFace2's; convert it first: {CONVERT} {path} OUT.safetensors")
    if part in _AVERAGES or "current_model_state" in content:  # the second is Lightning's, of weights not averaged
        found.notes.append(f"of the file's two sets the weights' average, {part}, is taken")
    folder = path.resolve().parent.parent
    if best.endswith("net.backbone.") and (folder / directory.CONFIG).is_file():  # a run's checkpoint, in its place
        _take_run(found, directory.load(folder), tensors)
    return found


def _take_published(found: Found, published: Published) -> None:
    found.source += f", {published.name}"
    found.input, found.caffe_strides, found.folded = published.input, published.caffe_strides, published.folded
    if published.folded:
        found.notes.append("its norms hold constants, and get the statistics of training faces")


def _take_run(found: Found, run: directory.Run, tensors: dict[str, Tensor]) -> None:
    if "model" not in run.config:
        raise FerlabError(f"{run.path / directory.CONFIG} has no model; copy the run again, or give another weights=")
    _take_model(found, run.config["model"], tensors)
    found.source += f", ferlab run {run.path.name}"
    found.outside = [name for name in found.outside if not name.startswith("head.")]


def from_zoo(name: str) -> Found:
    """The weights of an exported model's timm backbone and head, which `ferlab.predict --list` names.

    Raises:
        FerlabError: as `zoo.load`.
    """
    model, state = zoo.weights_of(name)
    tensors = {f"net.{key}": tensor for key, tensor in state.items()}
    backbone = {key.removeprefix("backbone."): t for key, t in state.items() if key.startswith("backbone.")}
    found = Found(backbone, f"zoo: {name}, sha256 {zoo.checksum(name)[:12]}")
    _take_model(found, model, tensors)
    return found


def _take_model(found: Found, model: Config, tensors: dict[str, Tensor]) -> None:
    """What a net of ferlab's says of itself, and its head."""
    found.input = Normalisation(model["input"]["mean"], model["input"]["std"], model["input"].get("scale", 1.0))
    found.caffe_strides = bool(model["net"].get("caffe_strides"))
    found.head = {name.removeprefix(_HEAD): tensor for name, tensor in tensors.items() if name.startswith(_HEAD)}


def _is_vggface2s(state: Mapping[str, Tensor]) -> bool:
    return "fc.weight" in state and len(state["fc.weight"]) == _VGGFACE2


def _read(path: Path) -> tuple[Any, Published | None]:
    """What a file of weights holds, and the record of a converted one."""
    refuse_unreadable(path)
    if path.suffix.lower() in _TO_CONVERT:
        raise FerlabError(f"weights={path} must be converted once: {CONVERT} {path} OUT.safetensors")
    if path.suffix.lower() not in SUFFIXES:
        raise FerlabError(f"weights={path} is no kind of file that is read; expected one of {', '.join(SUFFIXES)}")
    checkpoints.refuse_damaged(path)
    try:
        if path.suffix.lower() == ".safetensors":
            with safetensors.safe_open(path, "pt") as file:
                published = Published.of(file.metadata())
            return safetensors.torch.load_file(path), published
        return load_torch(path), None
    except Exception as error:  # torch, pickle and safetensors raise whatever a damaged file makes them run into
        raise FerlabError(f"{path} holds no weights that can be loaded safely: {reason(error)}") from error


def load_torch(path: Path) -> Any:
    with torch.serialization.safe_globals([argparse.Namespace]):  # the settings in timm's training checkpoints
        return torch.load(path, map_location="cpu", weights_only=True)


def refuse_unreadable(path: Path) -> None:
    """Refuse what is no file of weights by its first bytes.

    Raises:
        FerlabError: it is one.
    """
    if path.is_dir():
        raise FerlabError(f"weights={path} is a folder; give a file in it")
    if not path.is_file():
        recipe = len(path.parts) > 2 and re.fullmatch(
            r"start-\w+-s\d+", path.parts[-3]
        )  # conf/experiment/NET_start.yaml
        mend = "python -m ferlab.reproduce paper=table2 trains that run first, and the teachers of both"
        wanted = mend if recipe else "expected none, hub, a file or a name of predict --list"
        raise FerlabError(f"weights={path} is not there; {wanted}")
    try:
        with path.open("rb") as file:
            head = file.read(64).lstrip().lower()
    except OSError as error:
        raise FerlabError(f"weights={path} cannot be read: {error.strerror}") from error
    if not head:
        raise FerlabError(f"{path} is empty; download it again")
    if head.startswith((b"<!doctype", b"<html", b"<?xml", b"version https://git-lfs")):
        what = "a pointer of Git LFS" if head.startswith(b"version") else "a web page"
        raise FerlabError(f"{path} is {what}, not the weights; download the file itself")
