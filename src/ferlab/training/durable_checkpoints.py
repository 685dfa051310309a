"""Checkpoints that survive an interruption: written whole or not at all, and never with NaN."""

import os
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.utilities.exceptions import SIGTERMException

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.runs.checkpoints import BEFORE, BEST, LAST, load, seal, without_sidecar

_OF_BEST = ("state_dict", "epoch", "global_step", "pytorch-lightning_version")
_SCORE, SECONDS = "val_accuracy", "seconds"


class DurableCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, flushes to disk, then renames; keeps the last-but-one `last.ckpt`.

    Lightning's own "atomic" save goes through $TMPDIR: on another file system its last step is a copy, which a full
    disk cuts short after the good file is gone.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | os.PathLike, storage_options: Any = None) -> None:
        """Save, or leave what was there.

        Raises:
            FerlabError: a weight is NaN or infinite, or the disk refuses (full, read-only).
        """
        path = Path(path)
        if path.name == BEST:
            # Only a whole checkpoint passes the callbacks, of which one puts the weights' average, the model that is
            # measured, into state_dict; Lightning's save_weights_only would save the weights themselves.
            states = checkpoint.get("callbacks", {}).values()
            scores = [state["best_model_score"] for state in states if state.get("best_k_models")]
            checkpoint = {key: checkpoint[key] for key in _OF_BEST if key in checkpoint}
            checkpoint |= {_SCORE: scores[0]} if scores else {}
        bad = [name for name, tensor in _weights(checkpoint) if not torch.isfinite(tensor).all()]
        if bad:
            raise FerlabError(f"{bad[0]} holds NaN or infinity; {path} keeps the last finite weights")
        keep = path.with_name(BEFORE) if path.name == LAST else None
        there = path.exists()
        try:
            with files.replacing(path, durable=True, keep=keep) as file:
                torch.save(checkpoint, file)
                seal(file)
                for place in (path, keep):
                    if place:
                        without_sidecar(place)
        except (FerlabError, RuntimeError) as error:  # torch turns a full disk into a RuntimeError of its zip writer
            reason = error.__cause__ or (error.__context__ if isinstance(error.__context__, OSError) else error)
            then = "; the checkpoint before it is intact: free some space, then run the same command with ckpt=last"
            raise FerlabError(f"could not save {path} ({reason}){then if there else '; free some space'}") from error

    def load_checkpoint(self, path: str | os.PathLike, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load tensors and plain values only (see `load`), wherever the run lay when it was saved.

        Lightning forgets the best score of a run that was moved, so that the next epoch would take the best's place.
        And the best may be of an epoch after this checkpoint, which another device does not give again.
        """
        checkpoint, folder = load(path), Path(path).resolve().parent
        for state in checkpoint.get("callbacks", {}).values():
            if "best_k_models" in state:  # of a ModelCheckpoint
                # A path of elsewhere would be deleted as the file that a new checkpoint replaces.
                state |= {"dirpath": str(folder), "best_model_path": "", "last_model_path": ""}
            if state.get("best_k_models"):
                best = str(folder / BEST)
                score = load(best).get(_SCORE, state["best_model_score"])  # runs of older versions lack it
                state |= {"best_model_score": score, "kth_value": score, "best_k_models": {best: score}}
                state |= {"best_model_path": best, "kth_best_model_path": best}
        return checkpoint


class LastCheckpoint(ModelCheckpoint):
    """Saves every so many epochs, the last epoch whatever its number, and where `Stopping` ends the run between steps.

    After any other error the state may be that of half a step: what was saved before continues to the same weights.
    The last epoch is validated too, whatever its number, so that a run has a best epoch.

    Args:
        seconds: that the run has taken before; what it takes is kept too.
    """

    def __init__(self, *args: Any, seconds: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._started = time.monotonic() - seconds

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {SECONDS: time.monotonic() - self._started}

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        if isinstance(exception, SIGTERMException):
            super().on_exception(trainer, pl_module, exception)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self.on_train_epoch_start(trainer, pl_module)  # which a run that goes on within an epoch leaves out

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch + 1 == trainer.max_epochs and trainer.check_val_every_n_epoch:
            trainer.check_val_every_n_epoch = 1

    def on_train_batch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        # Metrics are logged by this count, which Lightning raises once too often where a run goes on within an epoch.
        trainer.fit_loop.epoch_loop._batches_that_stepped = trainer.global_step

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch + 1 == trainer.max_epochs:
            self._every_n_epochs = 1
        super().on_train_epoch_end(trainer, pl_module)


def _weights(checkpoint: dict[str, Any]):
    for part in ("state_dict", "current_model_state"):
        for name, tensor in checkpoint.get(part, {}).items():
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
                yield name, tensor
