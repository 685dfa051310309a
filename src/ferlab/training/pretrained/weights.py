"""Pretrained weights, timm's or a file's, enter; tensors under a timm backbone's names leave, and what input they need.

Every file is loaded without running code, and none loads in part unseen: at least 95 % of the backbone's tensors must
be there, all in the right shape. Where the publisher of a file computes something that timm's net of the same names
does not, or reads other pixels, what must be set for it to be the same function is part of what leaves.
"""

import argparse
import copy
import re
import urllib.request
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import huggingface_hub as hub
import safetensors.torch
import timm
import torch
from huggingface_hub.errors import EntryNotFoundError
from timm.models import PretrainedCfg, adapt_input_conv
from timm.models._hub import check_cached_file, download_cached_file
from torch import Tensor, nn

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.nets.transfer import Transfer
from ferlab.runs import checkpoints, directory
from ferlab.training.pretrained import dlib_file, unpickle, weight_names

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".tar", ".ckpt", ".pkl", ".dat")
MATCHED = 0.95  # share of the backbone's tensors
_SECONDS = 10  # that a hub may take to answer
_AVERAGES = ("state_dict_ema", "model_ema")  # timm's and DeiT's exponential moving average
_PARTS = (*_AVERAGES, "state_dict", "model")
_WRAPPERS = re.compile(r"((module|_orig_mod|model|net|backbone)\.)*")  # DataParallel, compile, and nets around a net
_HEAD = "net.head."  # of a Transfer net in a run's checkpoint
_CLASSIFIER = re.compile(r"(_?fc|classif\w*|last_linear|(aux_)?head\w*|pre_logits|feat_extract|logits)\.")


@dataclass(frozen=True)
class Pretrained:
    """Weights of a backbone.

    Attributes:
        state: for `backbone.load_state_dict(state, strict=False)`, float32; names and shapes are checked, batch norms'
            counters and what `summary` names as missing are not in it.
        input: `mean`, `std` (one value per channel) and `scale` for Preprocess.
        net: keys of the Transfer config without which the backbone would compute something else.
        folded: its batch norms hold constants and no statistics: `unfold` before it learns.
        head: of a run of ferlab its head's tensors, under the names of Transfer.head; else none.
        source: where the weights are from, without folders of this machine.
        summary: one line for the user.
    """

    state: dict[str, Tensor]
    input: dict[str, Any]
    net: dict[str, Any]
    folded: bool
    head: dict[str, Tensor]
    source: str
    summary: str


@dataclass
class _Found:
    """Weights under timm's names, before anyone has looked whether they fit."""

    state: dict[str, Tensor]
    source: str
    input: dict[str, Any] | None = None  # None: not known
    net: dict[str, Any] = field(default_factory=dict)
    folded: bool = False
    head: dict[str, Tensor] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)  # tensors of other parts of what the backbone was in
    notes: list[str] = field(default_factory=list)


def open_weights(weights: str, backbone: str, channels: int) -> Pretrained | None:
    """What `weights` (none, hub or a file) names, for a timm backbone of so many input channels; None for none.

    Raises:
        FerlabError: no such weights, the hub does not answer, or a file that is damaged, wants to run code, is of
            another net, or holds NaN.
    """
    if weights == "none":
        return None
    with torch.random.fork_rng(devices=[]):  # what is built and thrown away here must not change what training draws
        expected = _expected(backbone, channels)
        config = timm.get_pretrained_cfg(backbone) or PretrainedCfg()
        found = _from_hub(backbone) if weights == "hub" else _from_file(weights, expected, backbone)
    if found.input is None:
        found.input = {"mean": list(config.mean), "std": list(config.std), "scale": 1.0}
        found.notes.append(
            f"their normalisation is not known, timm's of {backbone} is taken: mean {found.input['mean']}, "
            f"std {found.input['std']} of 0..1"
        )
    first = [config.first_conv] if isinstance(config.first_conv, str) else config.first_conv or []
    _adapt(found, expected, [f"{name}.weight" for name in first], channels)
    state, report = _match(found, expected, backbone)
    summary = "; ".join([report, *found.notes])
    return Pretrained(state, found.input, found.net, found.folded, found.head, found.source, summary)


@torch.no_grad()
def unfold(backbone: nn.Module, x: Tensor) -> None:
    """Give batch norms the statistics that input x [B,C,S,S] has before them, and leave what they compute as it is.

    A published net may keep of its batch norms only the constants that they come to. Learning goes on where it stopped
    once each norm has statistics again, and the weight and bias with which they come to the same constants.
    """
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def look(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        variance, mean = torch.var_mean(inputs[0].double(), dim=(0, 2, 3))
        seen[norm] = mean, variance

    hooks = [norm.register_forward_pre_hook(look) for norm in norms]
    training = backbone.training
    try:
        backbone.eval()(x)
    finally:
        backbone.train(training)
        for hook in hooks:
            hook.remove()
    for norm in norms:
        mean, variance = seen[norm]
        gain = norm.weight / (norm.running_var + norm.eps).sqrt()
        norm.bias += gain * (mean - norm.running_mean)
        norm.weight.copy_(gain * (variance + norm.eps).sqrt())
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)


def _expected(backbone: str, channels: int) -> dict[str, torch.Size]:
    """Names and shapes of a backbone's tensors, without batch norms' counters."""
    if not timm.is_model(backbone):
        raise FerlabError(
            f"timm knows no {backbone}; near it are {', '.join(timm.list_models(f'*{backbone[:6]}*')[:8])}"
        )
    try:
        with torch.device("meta"):
            state = Transfer(backbone, channels, classes=1, hidden=[], dropout=0.0).backbone.state_dict()
    except RuntimeError as error:
        raise FerlabError(f"timm cannot make {backbone}: {_reason(error)}") from error
    return {name: tensor.shape for name, tensor in state.items() if not _is_counter(name)}


def _is_counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _from_hub(backbone: str) -> _Found:
    config = timm.get_pretrained_cfg(backbone)
    if config is None or not config.has_weights:
        raise FerlabError(f"timm has no pretrained weights of {backbone}; use weights=none or a file, weights=PATH")
    try:
        file = _fetch(config)
        overlay = {"file": str(file), "custom_load": file.suffix == ".npz"}
        net = timm.create_model(backbone, pretrained=True, pretrained_cfg_overlay=overlay)  # strict: all or an error
    except Exception as error:  # of sockets, HTTP, the hub, a damaged file or its names
        raise FerlabError(
            f"timm's weights of {backbone} cannot be fetched ({_reason(error)}); check the network, or fetch them "
            "elsewhere and give the file, weights=PATH"
        ) from error
    input_ = {"mean": list(config.mean), "std": list(config.std), "scale": 1.0}
    tagged = f"{config.architecture or backbone.split('.')[0]}.{config.tag}".removesuffix(".")
    return _Found(net.state_dict(), f"hub: timm {tagged}", input_)


def _fetch(config: PretrainedCfg) -> Path:
    """The file of timm's weights, downloaded if it is not in the cache."""
    if not config.hf_hub_id:
        if not check_cached_file(config.url):
            # torch's download waits without end; this asks whether anyone answers.
            urllib.request.urlopen(config.url, timeout=_SECONDS).close()  # noqa: S310
        return Path(download_cached_file(config.url))
    place, _, revision = config.hf_hub_id.partition("@")
    files = [config.hf_hub_filename] if config.hf_hub_filename else ["model.safetensors", "pytorch_model.bin"]
    for file in files:
        cached = hub.try_to_load_from_cache(place, file, revision=revision or None)
        if isinstance(cached, str):
            return Path(cached)
    for file in files:
        try:
            # One question; a download would ask five times and wait 47 s where there is no network.
            hub.get_hf_file_metadata(hub.hf_hub_url(place, file, revision=revision or None), timeout=_SECONDS)
        except EntryNotFoundError:
            continue
        return Path(hub.hf_hub_download(place, file, revision=revision or None))
    raise FileNotFoundError(f"{place} holds no {' or '.join(files)}")


def _from_file(weights: str, expected: Mapping[str, torch.Size], backbone: str) -> _Found:
    path = Path(weights).expanduser()
    content, numpy = _read(path)
    part = next((key for key in _PARTS if isinstance(content, Mapping) and isinstance(content.get(key), Mapping)), None)
    state = content[part] if part else content
    pairs = state.items() if isinstance(state, Mapping) else []
    tensors = {name: value for name, value in pairs if isinstance(name, str) and isinstance(value, Tensor)}
    if not tensors:
        raise FerlabError(f"{path} holds no tensors by name; give a file with a state_dict")

    groups: dict[str, dict[str, Tensor]] = {}  # by the wrappers in front of the names
    for name, tensor in tensors.items():
        wrappers = "" if name in expected else _WRAPPERS.match(name).group()
        groups.setdefault(wrappers, {})[name.removeprefix(wrappers)] = tensor
    kinds = {wrappers: weight_names.recognise(group, numpy) for wrappers, group in groups.items()}
    for wrappers, group in groups.items():
        groups[wrappers] = {kinds[wrappers].rename(name, expected): tensor for name, tensor in group.items()}
    best = max(groups, key=lambda wrappers: len(groups[wrappers].keys() & expected.keys()))
    kinds[best].refuse_other(path, backbone)

    found = _Found(groups.pop(best), f"file: {path.name}, sha256 {files.sha256_of(path)[:12]}")
    found.source += f", {kinds[best].name}" if kinds[best].name else ""
    found.input, found.net = copy.deepcopy((kinds[best].input, kinds[best].net))
    if kinds[best].folded:
        found.folded = True
        found.notes.append("its norms hold constants, and get the statistics of training faces")
    found.outside = [name for group in groups.values() for name in group]
    if part in _AVERAGES or "current_model_state" in content:  # the second is Lightning's, of weights not averaged
        found.notes.append(f"of the file's two sets the weights' average, {part}, is taken")
    folder = path.resolve().parent.parent
    if best.endswith("net.backbone.") and (folder / directory.CONFIG).is_file():  # a run's checkpoint, in its place
        model = directory.load(folder).config["model"]
        found.input = {key: model["input"].get(key, 1.0) for key in ("mean", "std", "scale")}
        found.net = {"caffe_strides": True} if model["net"].get("caffe_strides") else {}
        found.source += f", ferlab run {folder.name}"
        found.head = {name.removeprefix(_HEAD): tensor for name, tensor in tensors.items() if name.startswith(_HEAD)}
        found.outside = [name for name in found.outside if not name.startswith("head.")]
    return found


def _read(path: Path) -> tuple[Any, bool]:
    """What a file of weights holds, and whether it is a plain pickle of numpy arrays."""
    if path.is_dir():
        raise FerlabError(f"weights={path} is a folder; give a file in it")
    if not path.is_file():
        raise FerlabError(f"weights={path} is not there; expected none, hub or a file")
    if path.suffix.lower() not in SUFFIXES:
        raise FerlabError(f"weights={path} is no kind of file that is read; expected one of {', '.join(SUFFIXES)}")
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
    if checkpoints.sidecar(path).is_file():
        return checkpoints.load(path), False
    try:
        if path.suffix.lower() == ".dat":
            return dlib_file.load(path), False
        if path.suffix.lower() == ".safetensors":
            return safetensors.torch.load_file(path), False
        if path.suffix.lower() == ".pkl" and not zipfile.is_zipfile(path):
            content = unpickle.load(path)
            if content != torch.serialization.MAGIC_NUMBER:  # with which torch's files of before 2020 begin
                return content, True
        with torch.serialization.safe_globals([argparse.Namespace]):  # the settings in timm's training checkpoints
            return torch.load(path, map_location="cpu", weights_only=True), False
    except Exception as error:  # torch, pickle and safetensors raise whatever a damaged file makes them run into
        raise FerlabError(f"{path} holds no weights that can be loaded safely: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """An error's first line; torch has advice around it, also to load the file unsafely."""
    advice = ("Weights only load failed", "Please file an issue", "Check the documentation")
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith(advice)]
    return (lines or [type(error).__name__])[0][:200]


def _adapt(found: _Found, expected: Mapping[str, torch.Size], first: list[str], channels: int) -> None:
    """Sum the first convolution's input planes for a one-channel net, where that computes the same from grey faces."""
    even = all(len(set(found.input[key])) == 1 for key in ("mean", "std"))
    for name in first:
        if name not in found.state or name not in expected or found.state[name].ndim != 4:
            continue
        planes = found.state[name].shape[1]
        if planes == expected[name][1]:
            continue
        if channels != 1 or planes != 3 or not even:
            raise FerlabError(
                f"{found.source} is of a net with {planes} input planes, and {channels} would not compute the same "
                f"(mean {found.input['mean']}); type model.net.channels={planes} model.input.channels={planes}"
            )
        found.state[name] = adapt_input_conv(1, found.state[name])
        found.notes.append("the input planes of its first convolution are summed to 1")
    given = len(found.input["mean"])
    if given != channels and not even:
        raise FerlabError(
            f"{found.source} reads {given} channels with means {found.input['mean']}, not {channels}; "
            f"type model.net.channels={given} model.input.channels={given}"
        )
    found.input = found.input | {key: found.input[key][:1] * channels for key in ("mean", "std") if given != channels}


def _match(found: _Found, expected: Mapping[str, torch.Size], backbone: str) -> tuple[dict[str, Tensor], str]:
    """The backbone's tensors as float32 and a report in words."""
    own = {name: tensor for name, tensor in found.state.items() if not _is_counter(name)}
    missing = [name for name in expected if name not in own]
    extra = [name for name in own if name not in expected]
    classifier = [name for name in extra if _CLASSIFIER.match(name)]
    extra = [name for name in extra if name not in classifier]
    shapes = [
        f"{name}: expected {tuple(shape)}, found {tuple(own[name].shape)}"
        for name, shape in expected.items()
        if name in own and own[name].shape != shape
    ]
    matched = len(expected) - len(missing) - len(shapes)
    # A deeper net of the family has every tensor of a shallower one, and more.
    if shapes or matched < MATCHED * len(expected) or len(extra) > (1 - MATCHED) * len(expected):
        faults = (("missing", missing), ("unexpected", extra), ("of another shape", shapes))
        told = "; ".join(f"{len(names_)} {what}: {_some(names_)}" for what, names_ in faults if names_)
        raise FerlabError(
            f"{found.source} is not of {backbone}: {matched} of {len(expected)} backbone tensors fit; {told}; "
            "give weights of this backbone, or the model they are of"
        )
    state = {}
    for name in expected:
        if name in own:
            tensor = own[name]
            state[name] = tensor.float().contiguous() if tensor.is_floating_point() else tensor
            if not torch.isfinite(state[name]).all():
                raise FerlabError(f"{found.source}: {name} holds NaN or infinity; take another file")
    report = f"{matched} of {len(expected)} backbone tensors from {found.source}"
    if missing:
        report += f"; left at random: {', '.join(missing)}"
    extra += [name for name in found.outside if not _CLASSIFIER.match(name)]
    classifier += [name for name in found.outside if _CLASSIFIER.match(name)]
    left = [f"{len(classifier)} of the classifier"] if classifier else []
    left += [f"{len(extra)} more ({_some(extra)})"] if extra else []
    return state, report + (f"; left out: {', '.join(left)}" if left else "")


def _some(names_: list[str]) -> str:
    return ", ".join(names_[:3]) + (", ..." if len(names_) > 3 else "")
