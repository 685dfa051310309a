"""A net and its hyperparameters in, its optimiser and the schedule of its learning rate out."""

import math
from dataclasses import dataclass

from torch import nn
from torch.optim import SGD, AdamW, Optimizer, lr_scheduler

from ferlab.errors import FerlabError
from ferlab.training.freeze import Learning

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("cosine", "plateau", "constant")


@dataclass(frozen=True)
class Optimisation:
    """How the weights follow the gradients.

    Attributes:
        optimizer: `sgd` has Nesterov momentum; `adamw` takes `momentum` as its beta1.
        lr: the highest learning rate.
        weight_decay: spares biases and norms, which it would only pull towards less expressive values.
        schedule: `cosine` to 0 over the run, a step at a time; `plateau` halves the rate when val/accuracy has not
            risen for `plateau_patience` epochs; `constant`.
        steps_per_epoch: optimiser steps of an epoch, which the schedules count.
        warmup_epochs: epochs of linear warm-up, for `cosine` and `constant`.
        fused: torch's fused optimiser, whose gradients Lightning cannot clip in mixed precision.
        sam_rho: radius of sharpness-aware minimisation (`sam`), which doubles the cost of a step; 0 is without.

    Raises:
        FerlabError: an unknown optimiser or schedule, or a negative radius.
    """

    optimizer: str
    lr: float
    momentum: float
    weight_decay: float
    schedule: str
    steps_per_epoch: int
    warmup_epochs: float
    plateau_patience: int
    sam_rho: float
    fused: bool = True

    def __post_init__(self) -> None:
        for name, value, known in (
            ("optimizer", self.optimizer, OPTIMIZERS),
            ("schedule", self.schedule, SCHEDULES),
        ):
            if value not in known:
                raise FerlabError(f"{name} is {value!r}; choose {', '.join(known)}")
        if self.sam_rho < 0:
            raise FerlabError(f"sam_rho is {self.sam_rho}; expected a radius above 0, as 0.05, or 0 for none")

    def optimizer_of(self, net: nn.Module, learning: Learning) -> Optimizer:
        """The optimiser of what learns of a net, now or later, in groups; the head's group is the first."""
        start = learning.starts()
        members: dict[tuple[float, bool, int], list[nn.Parameter]] = {}
        for name, p in net.named_parameters():
            if name not in learning.frozen or name in start:
                # A group begins to learn as one: torch's fused SGD takes no group of which a part has no momentum yet.
                key = (learning.scale.get(name, 1.0), p.ndim > 1, -start.get(name, 0))
                members.setdefault(key, []).append(p)
        groups = [
            {"params": members[key], "lr": key[0] * self.lr, "weight_decay": self.weight_decay * key[1]}
            for key in sorted(members, reverse=True)  # the head's first: its rate is the one that is logged
        ]
        if self.optimizer == "sgd":
            return SGD(groups, self.lr, momentum=self.momentum, nesterov=True, fused=self.fused)
        return AdamW(groups, self.lr, betas=(self.momentum, 0.999), fused=self.fused)

    def schedule_of(self, optimizer: Optimizer, epochs: int) -> lr_scheduler.LRScheduler:
        """The schedule over so many epochs: `plateau` is stepped after a validation, the others after each step."""
        if self.schedule == "plateau":
            return lr_scheduler.ReduceLROnPlateau(optimizer, "max", factor=0.5, patience=self.plateau_patience)
        return lr_scheduler.LambdaLR(optimizer, lambda step: self.lr_factor(step, epochs * self.steps_per_epoch))

    def lr_factor(self, step: int, steps: int) -> float:
        """The learning rate in a step, counted from 0, of a run of so many, relative to `lr`."""
        warmup = self.warmup_epochs * self.steps_per_epoch
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if self.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1.0, steps - warmup))))
