"""What a training shows of itself: a bar on a terminal, elsewhere a line an epoch, and how long a long one takes."""

import logging
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, RichProgressBar
from rich.console import Console

from ferlab.predictors.progress import duration

log = logging.getLogger(__name__)

_LONG_S = 1800  # of a training that is announced
_BATCHES, _SECONDS = 20, 20  # after the first batch, which is slower, until the time of a batch is known


def of(wanted: bool) -> Callback:
    """The bar, where one is wanted and there is a terminal to draw it on."""
    return Bar() if wanted and Console().is_terminal else Lines()


class Lines(Callback):
    """Logs a line when an epoch is over, with its losses, val/accuracy, the best one, the speed and the time left."""

    def __init__(self) -> None:
        self._epoch: int | None = None  # that a line is due for
        self._validated = False
        self._started, self._done = 0.0, 0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._say(trainer)  # now, for Lightning gives what the module logs of an epoch after its callbacks
        self._epoch, self._validated = trainer.current_epoch, False
        self._started = self._started or time.monotonic()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validated = True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._say(trainer)

    def _say(self, trainer: pl.Trainer) -> None:
        if self._epoch is None or not trainer.is_global_zero:
            return
        self._done += 1
        epochs = trainer.max_epochs or 0
        left = (time.monotonic() - self._started) / self._done * (epochs - self._epoch - 1)
        log.info("epoch %d of %d: %s, %s left", self._epoch + 1, epochs, self._measured(trainer), duration(left))

    def _measured(self, trainer: pl.Trainer) -> str:
        found = {name: float(value) for name, value in trainer.callback_metrics.items()}
        words = [f"train loss {found['train/loss']:.4f}"]
        if self._validated:
            best = getattr(trainer.checkpoint_callback, "best_model_score", None)
            words += [f"val loss {found['val/loss']:.4f}", f"val accuracy {100 * found['val/accuracy']:.2f} %"]
            words += [] if best is None else [f"best {100 * float(best):.2f} %"]
        return ", ".join([*words, f"{found['train/faces_per_second']:,.0f} faces/s"])


class Estimate(Callback):
    """Logs once how long a training on a CPU will take, if that is long; a GPU's batches end after their steps."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None  # seconds and batches when the measuring began
        self._done = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._done < 0 or pl_module.device.type != "cpu" or not trainer.is_global_zero:
            return
        self._done += 1
        seconds, first = self._first = self._first or (time.monotonic(), self._done)
        taken, batches = time.monotonic() - seconds, self._done - first
        if batches and (batches >= _BATCHES or taken >= _SECONDS):
            self._done = -1
            epochs = (trainer.max_epochs or 0) - trainer.current_epoch
            self._say(taken / batches * trainer.num_training_batches * epochs, epochs)

    def _say(self, seconds: float, epochs: int) -> None:
        if seconds < _LONG_S:
            return
        log.info(
            "about %s for %d epochs on this CPU, without validation; a GPU, a smaller model.input.size, another model= "
            "or fewer trainer.max_epochs take less",
            duration(seconds),
            epochs,
        )


class Bar(RichProgressBar):
    """Lightning's, with what the last validation found; epochs count from 1, as in `Lines`."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=20)
        self._found: dict[str, Any] = {}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        accuracy = trainer.callback_metrics["val/accuracy"]  # once, for it makes the host wait for a GPU
        self._found = {"val/accuracy": f"{float(accuracy):.4f}"}
        super().on_validation_end(trainer, pl_module)

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        return self._found

    def _get_train_description(self, current_epoch: int) -> str:
        return f"Epoch {current_epoch + 1} of {self.trainer.max_epochs}"
