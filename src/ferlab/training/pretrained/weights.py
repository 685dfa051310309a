"""Pretrained weights, timm's or a file's, enter; tensors under a timm backbone's names leave, and what input they need.

Every file is loaded without running code, and none loads in part without a report: at least 95 % of the backbone's
tensors must be there, all in the right shape.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import timm
import torch
from timm.models import PretrainedCfg, adapt_input_conv
from torch import Tensor

from ferlab.errors import FerlabError
from ferlab.nets.transfer import Transfer
from ferlab.predictors import zoo
from ferlab.training.pretrained.found import Found, Normalisation, reason
from ferlab.training.pretrained.hub import from_hub, timms_input
from ferlab.training.pretrained.state_files import CONVERT, from_file, from_zoo

MATCHED = 0.95  # share of the backbone's tensors
_CLASSIFIER = re.compile(r"(_?fc|classif\w*|last_linear|(aux_)?head\w*|pre_logits|feat_extract|logits)\.")


@dataclass(frozen=True)
class Pretrained:
    """Weights of a backbone.

    Attributes:
        state: for `backbone.load_state_dict(state, strict=False)`, float32; names and shapes are checked, batch norms'
            counters and what `summary` names as missing are not in it.
        input: the normalisation that the weights were trained with.
        caffe_strides: the Transfer config's key of this name, without which the backbone would compute something else.
        folded: its batch norms hold constants and no statistics: `unfold` before it learns.
        head: of a run of ferlab its head's tensors, under the names of Transfer.head; else none.
        source: where the weights are from, without folders of this machine.
        summary: one line for the user.
    """

    state: dict[str, Tensor]
    input: Normalisation
    caffe_strides: bool
    folded: bool
    head: dict[str, Tensor]
    source: str
    summary: str


def open_weights(weights: str, backbone: str, channels: int) -> Pretrained:
    """What `weights` (hub, a file or an exported model's name) names, for a timm backbone of so many input channels.

    Raises:
        FerlabError: no such weights, the hub does not respond, or a file that is damaged, wants to run code, is of
            another net, or holds NaN.
    """
    with torch.random.fork_rng(devices=[]):  # what is built and thrown away here must not change what training draws
        expected = backbone_shapes(backbone, channels)
        config = timm.get_pretrained_cfg(backbone) or PretrainedCfg()
        if weights == "hub":
            found = from_hub(backbone)
        else:
            found = from_zoo(weights) if zoo.is_name(weights) else from_file(weights, expected, backbone)
    if found.input is None:
        found.input = timms_input(config)
        found.notes.append(
            f"their normalisation is not known, timm's of {backbone} is taken: mean {found.input.mean}, "
            f"std {found.input.std} of 0..1"
        )
    first = [config.first_conv] if isinstance(config.first_conv, str) else config.first_conv or []
    input_ = _adapt(found, found.input, expected, [f"{name}.weight" for name in first], channels)
    state, report = _match(found, expected, backbone)
    summary = "; ".join([report, *found.notes])
    return Pretrained(state, input_, found.caffe_strides, found.folded, found.head, found.source, summary)


def backbone_shapes(backbone: str, channels: int) -> dict[str, torch.Size]:
    """Names and shapes of a backbone's tensors, without batch norms' counters."""
    try:
        with torch.device("meta"):
            state = Transfer(backbone, channels, classes=1, hidden=[], dropout=0.0).backbone.state_dict()
    except RuntimeError as error:
        raise FerlabError(f"timm cannot make {backbone}: {reason(error)}") from error
    return {name: tensor.shape for name, tensor in state.items() if not _is_counter(name)}


def _is_counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _adapt(
    found: Found, needed: Normalisation, expected: Mapping[str, torch.Size], first: list[str], channels: int
) -> Normalisation:
    """Sum the first convolution's input planes for a one-channel net, where that computes the same from grey faces."""
    even = len(set(needed.mean)) == len(set(needed.std)) == 1
    for name in first:
        if name not in found.state or name not in expected or found.state[name].ndim != 4:
            continue
        planes = found.state[name].shape[1]
        if planes == expected[name][1]:
            continue
        if channels != 1 or planes != 3 or not even:
            raise FerlabError(
                f"{found.source} is of a net with {planes} input planes, and {channels} would not compute the same "
                f"(mean {needed.mean}); type model.net.channels={planes} model.input.channels={planes}"
            )
        found.state[name] = adapt_input_conv(1, found.state[name])
        found.notes.append("the input planes of its first convolution are summed to 1")
    n = len(needed.mean)
    if n == channels:
        return needed
    if not even:
        raise FerlabError(
            f"{found.source} reads {n} channels with means {needed.mean}, not {channels}; "
            f"type model.net.channels={n} model.input.channels={n}"
        )
    return replace(needed, mean=needed.mean[:1] * channels, std=needed.std[:1] * channels)


def _match(found: Found, expected: Mapping[str, torch.Size], backbone: str) -> tuple[dict[str, Tensor], str]:
    """The backbone's tensors as float32 and a report in words."""
    own = {name: tensor for name, tensor in found.state.items() if not _is_counter(name)}
    missing = [name for name in expected if name not in own]
    extra = [name for name in own if name not in expected and not _CLASSIFIER.match(name)]
    shapes = [
        f"{name}: expected {tuple(shape)}, found {tuple(own[name].shape)}"
        for name, shape in expected.items()
        if name in own and own[name].shape != shape
    ]
    matched = len(expected) - len(missing) - len(shapes)
    # A deeper net of the family has every tensor of a shallower one, and more.
    if shapes or matched < MATCHED * len(expected) or len(extra) > (1 - MATCHED) * len(expected):
        faults = (("missing", missing), ("unexpected", extra), ("of another shape", shapes))
        report = "; ".join(f"{len(names)} {what}: {_some(names)}" for what, names in faults if names)
        hint = "give weights of this backbone, or the model they are of"
        if not matched:
            hint += f"; files of VGGFace2 or EfficientNet-lite must be converted: {CONVERT} FILE OUT.safetensors"
        raise FerlabError(
            f"{found.source} is not of {backbone}: {matched} of {len(expected)} backbone tensors fit; {report}; {hint}"
        )
    state = {name: _finite(own[name], name, found.source) for name in expected if name in own}
    report = f"{matched} of {len(expected)} backbone tensors from {found.source}"
    if missing:
        report += f"; left at random: {', '.join(missing)}"
    return state, report + _left_out([*(name for name in own if name not in expected), *found.outside])


def _finite(tensor: Tensor, name: str, source: str) -> Tensor:
    tensor = tensor.float().contiguous() if tensor.is_floating_point() else tensor
    if not torch.isfinite(tensor).all():
        raise FerlabError(f"{source}: {name} holds NaN or infinity; take another file")
    return tensor


def _left_out(names: list[str]) -> str:
    classifier = [name for name in names if _CLASSIFIER.match(name)]
    extra = [name for name in names if not _CLASSIFIER.match(name)]
    left = [f"{len(classifier)} of the classifier"] if classifier else []
    left += [f"{len(extra)} more ({_some(extra)})"] if extra else []
    return f"; left out: {', '.join(left)}" if left else ""


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
