"""Faces and targets enter, a trained net leaves: the one LightningModule, whatever the architecture.

This file alone decides the loss, the optimiser, the schedule and the metrics of a run.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import lr_scheduler
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
)

from ferlab.errors import FerlabError
from ferlab.training import sam
from ferlab.training.freeze import Learning

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("cosine", "plateau", "constant")
CLASS_WEIGHTS = ("none", "balanced", "effective")


def class_weights(kind: str, counts: Sequence[float], beta: float = 0.999) -> Tensor:
    """Loss weight of each class, float32 [K], from the training targets' sums; their mean over faces is 1.

    `balanced` is inverse to a class's number of faces; `effective` inverse to its effective number
    (1 - beta^n) / (1 - beta) (Cui et al. 2019, arXiv:1901.05555).

    Raises:
        FerlabError: unknown kind, a beta outside [0, 1), or a class without faces, whose weight would be infinite.
    """
    n = torch.as_tensor(counts, dtype=torch.float64)
    if not 0 <= beta < 1:
        raise FerlabError(f"class_weights_beta is {beta}; expected a number from 0 to below 1, as 0.999")
    if kind not in CLASS_WEIGHTS:
        raise FerlabError(f"class_weights is {kind!r}; choose {', '.join(CLASS_WEIGHTS)}")
    if kind == "none":
        return torch.ones(len(n))
    if (n <= 0).any():
        empty = [int(k) for k in torch.nonzero(n <= 0)]
        raise FerlabError(f"class_weights={kind} needs every class in training; none of class {empty}; use none")
    effective = n if kind == "balanced" else (1 - beta**n) / (1 - beta)
    weights = 1 / effective
    return (weights * n.sum() / (weights * n).sum()).float()


def seed_for(*place: int) -> int:
    """A 63-bit seed for a place such as (seed, epoch, batch): the same place draws the same numbers after a resume."""
    return int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> np.uint64(1))


class ExpressionClassifier(pl.LightningModule):
    """Trains `net` behind `preprocess` on faces [B,1,48,48] in 0..255 with targets [B,7].

    Args:
        preprocess: faces [B,1,48,48] -> the net's input [B,C,S,S].
        net: input -> logits [B,7].
        weights: loss weight of each class [7].
        mix: (faces, targets) -> the same, mixed among the batch (mixup, cutmix), or None.
        label_smoothing: share of each target spread evenly over the classes.
        optimizer, lr, momentum, weight_decay: `sgd` has Nesterov momentum; `adamw` takes momentum as its beta1.
        schedule: `cosine` to 0 over the run, a step at a time; `plateau` halves the rate when val/accuracy has not
            risen for `plateau_patience` epochs; `constant`.
        steps_per_epoch: optimiser steps of an epoch, which the schedules count.
        warmup_epochs: epochs of linear warm-up, for `cosine` and `constant`.
        sam_rho: radius of sharpness-aware minimisation (`sam`), which doubles the cost of a step; 0 is without.
        compile_step: run the forward and backward pass through torch.compile with CUDA graphs.
        seed: of dropout and mixing.
        learning: which parameters learn, when and how fast; None: all, at `lr`.
        teacher: a predictor that is asked in each step for the very faces that the net sees, augmented and mixed
            (Beyer et al. 2022, arXiv:2106.05237), and is no part of what is saved; None: the targets are the data's.
        teacher_share: of each target; the given target is the rest.
    """

    def __init__(
        self,
        preprocess: nn.Module,
        net: nn.Module,
        *,
        weights: Tensor,
        mix: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None,
        label_smoothing: float,
        optimizer: str,
        lr: float,
        momentum: float,
        weight_decay: float,
        schedule: str,
        steps_per_epoch: int,
        warmup_epochs: float,
        plateau_patience: int,
        sam_rho: float,
        compile_step: bool,
        seed: int,
        learning: Learning | None = None,
        teacher: nn.Module | None = None,
        teacher_share: float = 0.0,
    ):
        super().__init__()
        for name, value, known in (("optimizer", optimizer, OPTIMIZERS), ("schedule", schedule, SCHEDULES)):
            if value not in known:
                raise FerlabError(f"{name} is {value!r}; choose {', '.join(known)}")
        if sam_rho < 0:
            raise FerlabError(f"sam_rho is {sam_rho}; expected a radius above 0, as 0.05, or 0 for none")
        self.preprocess = preprocess
        self.net = net.to(memory_format=torch.channels_last)
        self.learning = learning or Learning()
        self._freeze(0)  # now, for a strategy may look at what learns before the first epoch
        self.mix = mix
        self.label_smoothing = label_smoothing
        self.optimizer, self.lr, self.momentum, self.weight_decay = optimizer, lr, momentum, weight_decay
        self.schedule, self.warmup_epochs, self.plateau_patience = schedule, warmup_epochs, plateau_patience
        self.steps_per_epoch, self.compile_step, self.seed = steps_per_epoch, compile_step, seed
        self.sam_rho = sam_rho
        self._first_pass = True  # of the two that a step has with sam_rho
        self._loss: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None
        # In a tuple it is no submodule: neither averaged nor saved nor put into training mode.
        self._teacher = (teacher.eval().requires_grad_(False),) if teacher else ()
        self.teacher_share = teacher_share
        self._teach: Callable[[Tensor, Tensor], Tensor] | None = None
        self.register_buffer("class_weights", weights, persistent=False)
        # Sums over the epoch [3], on the device: reading a value in a step would make the host wait for the GPU. No
        # buffer, for it is no part of what the weight average averages.
        self.train_sums = torch.zeros(3, dtype=torch.float64)
        k = len(weights)
        self.val_metrics = MetricCollection(
            {
                "val/accuracy": MulticlassAccuracy(k, average="micro"),
                "val/macro_f1": MulticlassF1Score(k, average="macro"),
            },
            compute_groups=False,
        )
        self.val_confusion = MulticlassConfusionMatrix(k)
        self._epoch_start: tuple[float, int] | None = None  # seconds, first batch
        self._faces_per_second = 0.0
        self.confusion: Tensor | None = None  # [7,7] counts of the last validation, rows are the true classes
        self.answers: tuple[Tensor, Tensor] | None = None  # and its probabilities [N,7] and labels [N]
        self._val_outputs: list[tuple[Tensor, Tensor]] = []

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_current_fx_name":  # Lightning sets it some 48 times a step; past nn.Module's checks that is free
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def train(self, mode: bool = True) -> "ExpressionClassifier":
        super().train(mode)
        for name in self._still:
            self.net.get_submodule(name).eval()
        return self

    def _freeze(self, epoch: int) -> None:
        frozen = self.learning.frozen_in(epoch)
        for name, parameter in self.net.named_parameters():
            parameter.requires_grad_(name not in frozen)
        self._still = self.learning.still_in(epoch)
        self.train(self.training)

    def on_train_epoch_start(self) -> None:
        if self.learning.every:
            self._freeze(self.current_epoch)

    def forward(self, faces: Tensor) -> Tensor:
        """Logits [B,7] of faces [B,1,48,48] in 0..255."""
        return self.net(self.preprocess(faces).contiguous(memory_format=torch.channels_last))

    def loss(self, faces: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean weighted cross-entropy (scalar) and the epoch sums' increment [3]: loss, correct, faces."""
        logits = self(faces)
        loss = F.cross_entropy(logits.float(), targets, weight=self.class_weights, label_smoothing=self.label_smoothing)
        correct = (logits.argmax(1) == targets.argmax(1)).sum()
        b = targets.shape[0]
        sums = torch.stack((loss.detach() * b, correct.to(loss.dtype), torch.full_like(loss.detach(), b)))
        return loss, sums

    @torch.no_grad()
    def taught(self, faces: Tensor, targets: Tensor) -> Tensor:
        """Targets [B,7] of which the teacher's answer to these faces [B,1,48,48] is a share."""
        (teacher,) = self._teacher
        return targets.lerp(teacher(faces).to(targets.dtype), self.teacher_share)

    def on_fit_start(self) -> None:
        self.train_sums = self.train_sums.to(self.device)
        # After the callbacks have copied the module: a compiled function cannot be copied.
        self._loss = torch.compile(self.loss, mode="reduce-overhead") if self.compile_step else self.loss
        self._teach = torch.compile(self.taught, mode="reduce-overhead") if self.compile_step else self.taught
        for teacher in self._teacher:
            teacher.to(self.device, memory_format=torch.channels_last)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        # Dropout and mixing draw from a stream that depends on the place alone, so a resumed run draws the same.
        self._seed_streams(seed_for(self.seed, self.current_epoch, batch_idx, self.global_rank))
        if batch_idx == 0 or self._epoch_start is None:
            self._epoch_start = (time.perf_counter(), batch_idx)

    def _seed_streams(self, seed: int) -> None:
        if self.device.type not in ("cpu", "cuda"):
            torch.manual_seed(seed)
            return
        # What torch.manual_seed does to the two streams in use. It also formats a stack trace for each accelerator
        # that is not initialised, in case that one comes to life later: more than all else here costs.
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx + 1 == self.trainer.num_training_batches:
            if self.device.type == "cuda":
                torch.cuda.synchronize()  # the epoch's only wait before its sums are read
            start, first = self._epoch_start
            faces = (batch_idx + 1 - first) * len(batch[1]) * self.trainer.world_size
            self._faces_per_second = faces / (time.perf_counter() - start)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Loss of a batch (faces [B,1,48,48], targets [B,7])."""
        faces, targets = batch
        if self.compile_step:
            torch.compiler.cudagraph_mark_step_begin()
        if self.mix is not None:
            faces, targets = self.mix(faces.float(), targets)
        if self._teacher:
            targets = self._teach(faces, targets).clone()  # its own memory is a CUDA graph's
        loss, sums = self._loss(faces, targets)
        if self._first_pass:
            self.train_sums += sums
        if loss.device.type == "cpu":  # on a GPU this would be a wait in every step; there the epoch's end looks
            self._refuse_non_finite(loss.detach())
        return loss

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        closure = self._sharpened(optimizer_closure) if self.sam_rho else optimizer_closure
        super().optimizer_step(epoch, batch_idx, optimizer, closure)

    def _sharpened(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        def twice() -> Any:
            closure()
            with sam.at_the_worst_near(self.net, self.sam_rho):
                self._first_pass = False
                try:
                    return closure()
                finally:
                    self._first_pass = True

        return twice

    def on_train_epoch_end(self) -> None:
        self._refuse_non_finite(self.train_sums[0])  # where no validation came before
        loss, correct, faces = self.train_sums.tolist()
        self.train_sums.zero_()
        lr = self.optimizers().param_groups[0]["lr"]
        values = {"train/loss": loss / faces, "train/accuracy": correct / faces, "lr": lr}
        values["train/faces_per_second"] = self._faces_per_second
        self.log_dict({k: torch.tensor(v, device=self.device) for k, v in values.items()}, sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["train_sums"] = self.train_sums.cpu()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.train_sums = checkpoint["train_sums"].clone()

    def _refuse_non_finite(self, loss: Tensor) -> None:
        if not math.isfinite(loss.item()):
            raise FerlabError(
                f"the loss became {loss.item()} in epoch {self.current_epoch} (step {self.global_step}); the weights "
                f"of the last good epoch are kept. Lower lr (now {self.lr:g}) or use precision=32-true"
            )

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Collects logits and targets; the metrics are computed once at the epoch's end."""
        faces, targets = batch
        # In float32 whatever the steps compute in: `evaluate` does so too, and measures what is recorded here.
        with torch.autocast(self.device.type, enabled=False):
            self._val_outputs.append((self(faces), targets))

    def on_validation_epoch_end(self) -> None:
        if self.train_sums[2] > 0:  # before the checkpoint callbacks save what came of it
            self._refuse_non_finite(self.train_sums[0])
        logits, targets = (torch.cat(parts) for parts in zip(*self._val_outputs, strict=True))
        self._val_outputs.clear()
        labels = targets.argmax(1)
        self.val_metrics(logits, labels)
        self.confusion = self.val_confusion(logits, labels).cpu()
        self.answers = (logits.softmax(1).cpu(), labels.cpu())
        support = self.confusion.sum(1)
        # Not torchmetrics' macro recall: a class without val faces that is predicted would count there as recall 0.
        recall = self.confusion.diagonal()[support > 0] / support[support > 0]
        values = {"val/loss": F.cross_entropy(logits, targets), **self.val_metrics.compute()}
        values["val/macro_recall"] = recall.mean().to(self.device)
        self.log_dict(values, sync_dist=True)
        self.val_metrics.reset()
        self.val_confusion.reset()
        plateau = self.lr_schedulers()
        if isinstance(plateau, lr_scheduler.ReduceLROnPlateau):
            plateau.step(values["val/accuracy"].item())

    def configure_optimizers(self) -> Any:
        """Weight decay spares biases and batch norms, which it would only pull towards less expressive values."""
        start = self.learning.starts()
        members: dict[tuple[float, bool, int], list[nn.Parameter]] = {}
        for name, p in self.net.named_parameters():
            if name not in self.learning.frozen or name in start:
                # A group begins to learn as one: torch's fused SGD takes no group of which a part has no momentum yet.
                key = (self.learning.scale.get(name, 1.0), p.ndim > 1, -start.get(name, 0))
                members.setdefault(key, []).append(p)
        groups = [
            {"params": members[key], "lr": key[0] * self.lr, "weight_decay": self.weight_decay * key[1]}
            for key in sorted(members, reverse=True)  # the head's first: its rate is the one that is logged
        ]
        if self.optimizer == "sgd":
            optimizer = torch.optim.SGD(groups, self.lr, momentum=self.momentum, nesterov=True, fused=True)
        else:
            optimizer = torch.optim.AdamW(groups, self.lr, betas=(self.momentum, 0.999), fused=True)
        if self.schedule == "plateau":
            plateau = lr_scheduler.ReduceLROnPlateau(optimizer, "max", factor=0.5, patience=self.plateau_patience)
            # Stepped in on_validation_epoch_end: Lightning would step it after the epoch's checkpoint is written, and
            # a resumed run would miss that step. The frequency keeps Lightning to saving and loading its state.
            return [optimizer], [{"scheduler": plateau, "frequency": 2**62, "monitor": "val/accuracy"}]
        # Not trainer.estimated_stepping_batches: it makes the loader before a checkpoint has said where to continue.
        steps, warmup = self.trainer.max_epochs * self.steps_per_epoch, self.warmup_epochs * self.steps_per_epoch
        scheduler = lr_scheduler.LambdaLR(optimizer, lambda step: self._lr_factor(step, warmup, steps))
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    def _lr_factor(self, step: int, warmup: float, steps: float) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if self.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1.0, steps - warmup))))
