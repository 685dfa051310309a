"""Exponential moving average of the weights: what is validated, saved as best and shipped."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor, nn


class WeightEma(WeightAveraging):
    """Lightning's weight averaging with a warm-up, and without its two waits for the GPU in each step.

    The decay after step t is min(decay, (1 + t) / (10 + t)), so that short runs are not held back by their random
    start (as TensorFlow's ExponentialMovingAverage does with num_updates). Batch-norm statistics are averaged too.
    """

    def __init__(self, decay: float):
        super().__init__(use_buffers=True)
        self.decay = decay
        self._swapped = False

    @property
    def average(self) -> nn.Module:
        """The module with the averaged weights, once training has been set up."""
        assert self._average_model is not None
        return self._average_model.module

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        step = trainer.global_step
        if step <= self._latest_update_step:  # no optimiser step was taken, as in gradient accumulation
            return
        self._latest_update_step = step
        if not hasattr(self, "_pairs"):
            self._pairs = self._collect(pl_module)
        (averages, weights), counters = self._pairs
        with torch.no_grad():
            torch._foreach_lerp_(averages, weights, 1.0 - min(self.decay, (1 + step) / (10 + step)))
            for average, counter in counters:
                average.copy_(counter)

    def _collect(self, module: pl.LightningModule) -> tuple[tuple[list[Tensor], ...], list[tuple[Tensor, Tensor]]]:
        """Lists of (average, weight): floats to interpolate, integers to copy. Both keep their storage for the run."""
        mine, theirs = self.average, module
        pairs = [
            (a.detach(), b.detach())
            for a, b in zip(
                [*mine.parameters(), *mine.buffers()], [*theirs.parameters(), *theirs.buffers()], strict=True
            )
        ]
        floats = [pair for pair in pairs if pair[0].is_floating_point()]
        counters = [pair for pair in pairs if not pair[0].is_floating_point()]
        return tuple(map(list, zip(*floats, strict=True))), counters

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._swap(pl_module)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._swap(pl_module)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        # A signal during validation finds average and weights exchanged; the checkpoint saved next must not.
        if self._swapped:
            self._swap(pl_module)

    def _swap(self, pl_module: pl.LightningModule) -> None:
        if self._average_model is not None:
            self._swap_models(pl_module)
            self._swapped = not self._swapped
