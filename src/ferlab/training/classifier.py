"""Faces and targets enter, a trained net leaves: the one LightningModule, whatever the architecture."""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from ferlab.errors import FerlabError
from ferlab.training import sam
from ferlab.training.freeze import Learning
from ferlab.training.optimisation import Optimisation
from ferlab.training.targets import Targets
from ferlab.training.validation import Validation, validate


def seed_for(*place: int) -> int:
    """A 63-bit seed for a place such as (seed, epoch, batch): the same place draws the same numbers after a resume."""
    return int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> np.uint64(1))


class ExpressionClassifier(pl.LightningModule):
    """Trains `net` behind `preprocess` on faces [B,1,48,48] in 0..255 with targets [B,7].

    Args:
        preprocess: faces [B,1,48,48] -> the net's input [B,C,S,S].
        net: input -> logits [B,7].
        optimisation: the optimiser and the schedule of its learning rate.
        targets: weights of the classes, mixing and a teacher's share.
        learning: which parameters learn, when and how fast.
        compile_step: run the forward and backward pass through torch.compile with CUDA graphs.
        seed: of dropout and mixing.
    """

    class_weights: Tensor
    _COMPILED = "reduce-overhead"  # torch.compile's mode
    _KEPT = "the weights of the last good epoch are kept. Lower lr (now {lr:g}) or type trainer.precision=32-true"

    def __init__(
        self,
        preprocess: nn.Module,
        net: nn.Module,
        optimisation: Optimisation,
        targets: Targets,
        learning: Learning,
        *,
        compile_step: bool,
        seed: int,
    ):
        super().__init__()
        self.preprocess = preprocess
        self.net = net.to(memory_format=torch.channels_last)
        self.optimisation, self.targets, self.learning = optimisation, targets, learning
        self.compile_step, self.seed = compile_step, seed
        self._freeze(0)  # now, for a strategy may look at what learns before the first epoch
        self._first_pass = True  # of the two that a step has with sam_rho
        self._loss: Callable[..., tuple[Tensor, Tensor]] = self.loss
        self._distilled: Callable[[Tensor, Tensor], Tensor] = self.distilled
        if targets.teacher:  # no submodule: neither averaged nor saved nor put into training mode
            targets.teacher.eval().requires_grad_(False)
        self.register_buffer("class_weights", targets.class_weights, persistent=False)
        # Sums over the epoch [3], on the device: reading a value in a step would make the host wait for the GPU. No
        # buffer, for it is no part of what the weight average averages.
        self.train_sums = torch.zeros(3, dtype=torch.float64)
        self._epoch_start: tuple[float, int] | None = None  # seconds, first batch
        self._faces_per_second = 0.0
        self.validation: Validation | None = None  # the last one
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

    def loss(self, faces: Tensor, targets: Tensor, logit_shift: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean weighted cross-entropy (scalar) and the epoch sums' increment [3]: loss, correct, faces.

        Args:
            faces, targets: [B,1,48,48] and [B,7].
            logit_shift: added to the logits in the loss alone [B,7], as `adjust.logit_shifts` gives it.
        """
        logits = self(faces)
        adjusted = logits.float() if logit_shift is None else logits.float() + logit_shift
        smoothing = self.targets.label_smoothing
        loss = F.cross_entropy(adjusted, targets, weight=self.class_weights, label_smoothing=smoothing)
        correct = (logits.argmax(1) == targets.argmax(1)).sum()
        b = targets.shape[0]
        sums = torch.stack((loss.detach() * b, correct.to(loss.dtype), torch.full_like(loss.detach(), b)))
        return loss, sums

    @torch.no_grad()
    def distilled(self, faces: Tensor, targets: Tensor) -> Tensor:
        """Targets [B,7] of which the teacher's probabilities for these faces [B,1,48,48] are a share."""
        if self.targets.teacher is None:
            return targets
        # Of a face without a label, whose targets are zeros, all is the teacher's; of a mixed one what lacks to 1.
        share = 1 - (1 - self.targets.teacher_share) * targets.sum(1, keepdim=True)
        return (1 - self.targets.teacher_share) * targets + share * self.targets.teacher(faces).to(targets.dtype)

    def on_fit_start(self) -> None:
        self.train_sums = self.train_sums.to(self.device)
        # After the callbacks have copied the module: a compiled function cannot be copied.
        if self.compile_step:
            self._loss = torch.compile(self.loss, mode=self._COMPILED)
            self._distilled = torch.compile(self.distilled, mode=self._COMPILED)
        if self.targets.teacher:
            self.targets.teacher.to(self.device).to(memory_format=torch.channels_last)

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
            assert self._epoch_start is not None
            start, first = self._epoch_start
            faces = (batch_idx + 1 - first) * len(batch[1]) * self.trainer.world_size
            self._faces_per_second = faces / (time.perf_counter() - start)

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        """Loss of a batch (faces [B,1,48,48], targets [B,7], and logit shifts [B,7] where the data have them)."""
        faces, targets, *shift = batch
        if self.compile_step:
            torch.compiler.cudagraph_mark_step_begin()
        if self.targets.mix is not None:
            faces, targets = self.targets.mix(faces.float(), targets)
        if self.targets.teacher is not None:
            targets = self._distilled(faces, targets).clone()  # its own memory is a CUDA graph's
        loss, sums = self._loss(faces, targets, *shift)
        if self._first_pass:
            self.train_sums += sums
        if loss.device.type == "cpu":  # on a GPU this would be a wait in every step; there the epoch's end looks
            self._refuse_non_finite(loss.detach())
        return loss

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        if optimizer_closure is not None and self.optimisation.sam_rho:
            optimizer_closure = self._sharpened(optimizer_closure)
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)

    def _sharpened(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        def twice() -> Any:
            closure()
            with sam.at_the_worst_near(self.net, self.optimisation.sam_rho):
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
        lr = float(self.trainer.optimizers[0].param_groups[0]["lr"])
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
                f"the loss became {loss.item()} in epoch {self.current_epoch} (step {self.global_step}); "
                f"{self._KEPT.format(lr=self.optimisation.lr)}"
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
        if bad := int((~logits.isfinite().all(1)).sum()):  # NaN would count as the first class
            raise FerlabError(
                f"the logits of {bad} of {len(logits)} val faces became NaN or infinite in epoch {self.current_epoch}; "
                f"{self._KEPT.format(lr=self.optimisation.lr)}"
            )
        metrics, self.validation = validate(logits, targets)
        self.log_dict(metrics, sync_dist=True)
        plateau = self.lr_schedulers()
        if isinstance(plateau, lr_scheduler.ReduceLROnPlateau):
            plateau.step(metrics["val/accuracy"].item())

    def configure_optimizers(self) -> Any:
        optimizer = self.optimisation.optimizer_of(self.net, self.learning)
        # Not trainer.estimated_stepping_batches: it makes the loader before a checkpoint has set where to continue.
        schedule = self.optimisation.schedule_of(optimizer, self.trainer.max_epochs or 0)
        if isinstance(schedule, lr_scheduler.ReduceLROnPlateau):
            # Stepped in on_validation_epoch_end: Lightning would step it after the epoch's checkpoint is written, and
            # a resumed run would miss that step. The frequency keeps Lightning to saving and loading its state.
            return [optimizer], [{"scheduler": schedule, "frequency": 2**62, "monitor": "val/accuracy"}]
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]
