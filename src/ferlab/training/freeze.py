"""A net and a policy enter, which of its parameters learn, when and how fast, leaves.

A layer is a module with weights (convolution, dense layer) and what stands behind it up to the next; a block is one of
the groups that timm divides a backbone into: the stem, then each residual block.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from timm.models import group_parameters
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from ferlab.errors import FerlabError

Policy = str | int | Sequence[str] | None


@dataclass(frozen=True)
class Learning:
    """Which parameters learn, by name in the net.

    Attributes:
        frozen: do not learn, or not yet.
        scale: learning rate of a parameter relative to the run's; 1 where none stands here.
        thaw: frozen parameters in the order in which they begin to learn, a block at a time.
        every: epochs between two blocks of `thaw`; 0: they never begin.
        still: norms (module names) whose statistics stay as they are while their parameters are frozen.
    """

    frozen: frozenset[str] = frozenset()
    scale: dict[str, float] = field(default_factory=dict)
    thaw: tuple[frozenset[str], ...] = ()
    every: int = 0
    still: frozenset[str] = frozenset()

    def frozen_in(self, epoch: int) -> frozenset[str]:
        """What does not learn in an epoch, counted from 0: a function of the epoch alone, so a resumed run agrees."""
        return self.frozen - {name for name, start in self.starts().items() if start <= epoch}

    def starts(self) -> dict[str, int]:
        """Of frozen parameters that will learn: the epoch from which they do."""
        if not self.every:
            return {}
        return {name: (i + 1) * self.every for i, block in enumerate(self.thaw) for name in block}

    def still_in(self, epoch: int) -> frozenset[str]:
        """Norms whose statistics do not move in an epoch."""
        frozen = {name.rpartition(".")[0] for name in self.frozen_in(epoch)}
        return self.still & frozen


def plan(net: nn.Module, policy: Policy, train_norms: bool, unfreeze_every: int, layer_decay: float) -> Learning:
    """What of a net learns.

    Args:
        policy: `none`; `backbone`; N, which leaves the backbone's last N layers free (the poster: 5); or patterns of
            parameter names with `*`, as `backbone.layer1.*`, which freeze what they match.
        train_norms: norms learn although the policy freezes them.
        unfreeze_every: epochs after which the frozen block nearest to the output learns too, and so on (gradual
            unfreezing; Howard & Ruder 2018, arXiv:1801.06146); 0 is never.
        layer_decay: learning rate of a backbone block relative to the next one (discriminative rates, ibid.).

    Raises:
        FerlabError: a pattern that matches nothing, a net without backbone, numbers out of range, nothing that learns.
    """
    names = [name for name, _ in net.named_parameters()]
    if unfreeze_every < 0 or not 0 < layer_decay <= 1:
        raise FerlabError(
            f"expected unfreeze_every of 0 or more and layer_decay in (0, 1]; found {unfreeze_every} and {layer_decay}"
        )
    norms = {name for name, module in net.named_modules() if isinstance(module, _NormBase | nn.LayerNorm)}
    of_norms = {n for n in names if n.rpartition(".")[0] in norms}
    frozen = _frozen(net, policy, names)
    if train_norms:
        frozen -= of_norms
    if frozen == set(names):
        raise FerlabError(f"freeze={policy} leaves nothing that learns; freeze fewer")
    thaw: list[frozenset[str]] = []
    if unfreeze_every:
        if not frozen:
            raise FerlabError("unfreeze_every needs frozen layers; type freeze=backbone or freeze=5")
        number = _blocks(net, "unfreeze_every")
        for block in sorted({number[name] for name in frozen}, reverse=True):
            thaw.append(frozenset(name for name in frozen if number[name] == block))
    scale = {}
    if layer_decay < 1:
        number = _blocks(net, "layer_decay")
        head = max(number.values())
        scale = {name: layer_decay ** (head - block) for name, block in number.items()}
    still = frozenset(norm for norm in norms if any(n.rpartition(".")[0] == norm for n in frozen))
    return Learning(frozenset(frozen), scale, tuple(thaw), unfreeze_every, still)


def describe(net: nn.Module, learning: Learning) -> str:
    """What learns at the start and later, for a reader: numbers of parameters, then the layers' names."""
    sizes = {name: p.numel() for name, p in net.named_parameters()}
    learns = [name for name in sizes if name not in learning.frozen]
    text = f"{sum(sizes[n] for n in learns):,} of {sum(sizes.values()):,} parameters learn"
    if not learning.frozen:
        return text
    matrices = {name for name, p in net.named_parameters() if p.ndim > 1}
    layers = [name.rpartition(".")[0] for name in learns if name in matrices]
    norms = {name.rpartition(".")[0] for name in learns} - set(layers)
    text += f": {', '.join(layers)}; {len(norms)} norms"
    if learning.every:
        text += f"; a further block after every {learning.every} epochs, {len(learning.thaw)} in all"
    return text


def _frozen(net: nn.Module, policy: Policy, names: list[str]) -> set[str]:
    if policy is None or policy == "none":
        return set()
    backbone = [name for name in names if name.startswith("backbone.")]
    if policy == "backbone" or type(policy) is int:  # a bool is no number of layers
        if not backbone:
            raise FerlabError(
                f"freeze={policy} is for nets with a backbone, which this one lacks; give patterns of its parameters, "
                f"as 'freeze=[{names[0]}]'"
            )
        return set(backbone) if isinstance(policy, str) else _all_but_last(net, backbone, policy)
    if isinstance(policy, int | float) or (isinstance(policy, str) and not any(c in policy for c in ".*?[")):
        raise FerlabError(f"freeze is {policy!r}; choose none, backbone, a number of layers, or patterns of names")
    patterns = [policy] if isinstance(policy, str) else list(policy)
    frozen: set[str] = set()
    for pattern in patterns:
        found = {name for name in names if fnmatchcase(name, str(pattern))}
        if not found:
            layers = ", ".join(dict.fromkeys(".".join(name.split(".")[:2]) for name in names))
            raise FerlabError(f"freeze: {pattern!r} matches no parameter; they begin with {layers}")
        frozen |= found
    return frozen


def _all_but_last(net: nn.Module, backbone: list[str], last: int) -> set[str]:
    parameters = dict(net.named_parameters())
    layers = [i for i, name in enumerate(backbone) if parameters[name].ndim > 1]
    if not 0 <= last <= len(layers):
        raise FerlabError(f"freeze is {last}; expected the number of layers to leave free, 0 to {len(layers)}")
    return set(backbone[: layers[-last]] if last else backbone)


def _blocks(net: nn.Module, key: str) -> dict[str, int]:
    """Number of the block of each parameter, from the input on; the head's is the highest."""
    backbone = getattr(net, "backbone", None)
    if backbone is None or not hasattr(backbone, "group_matcher"):
        raise FerlabError(f"{key} needs a net with a timm backbone, as model=resnet50; leave it out")
    groups = group_parameters(backbone, backbone.group_matcher(coarse=False), reverse=True)
    number = {f"backbone.{name}": int(block) for name, block in groups.items()}
    head = max(number.values()) + 1
    return {name: number.get(name, head) for name, _ in net.named_parameters()}
