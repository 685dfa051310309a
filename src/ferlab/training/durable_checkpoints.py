"""Checkpoints that survive an interruption: written whole or not at all, and never with NaN."""

import contextlib
import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.utilities.exceptions import SIGTERMException

from ferlab.errors import FerlabError
from ferlab.files import sha256_of
from ferlab.runs.checkpoints import BEFORE, BEST, LAST, load, sidecar

_OF_BEST = ("state_dict", "epoch", "global_step", "pytorch-lightning_version")


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
            checkpoint = {key: checkpoint[key] for key in _OF_BEST if key in checkpoint}
        bad = [name for name, tensor in _weights(checkpoint) if not torch.isfinite(tensor).all()]
        if bad:
            raise FerlabError(f"{bad[0]} holds NaN or infinity; {path} keeps the last finite weights")
        part = path.with_name(f"{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            # All that takes room is written before the first file is replaced.
            sidecar(part).write_text(sha256_of(part) + "\n")
            if path.name == LAST and path.exists():
                _rename(path, path.with_name(BEFORE))
            sidecar(path).unlink(missing_ok=True)
            _rename(part, path)
        except (OSError, RuntimeError) as error:  # torch turns a full disk into a RuntimeError of its zip writer
            for left in (part, sidecar(part)):
                with contextlib.suppress(OSError):  # a read-only disk refuses this too, even where nothing is
                    left.unlink()
            reason = error.__context__ if isinstance(error.__context__, OSError) else error
            raise FerlabError(
                f"could not save {path} ({reason}); the checkpoint before it is intact: "
                f"free some space, then run the same command with ckpt=last"
            ) from error

    def load_checkpoint(self, path: str | os.PathLike, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load tensors and plain values only; see `load`."""
        return load(path)


class LastCheckpoint(ModelCheckpoint):
    """Saves every so many epochs, the last epoch whatever its number, and where `Stopping` ends the run between steps.

    After any other error the state may be that of half a step: what was saved before continues to the same weights.
    """

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        if isinstance(exception, SIGTERMException):
            super().on_exception(trainer, pl_module, exception)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch + 1 == trainer.max_epochs:
            self._every_n_epochs = 1
        super().on_train_epoch_end(trainer, pl_module)


def _rename(path: Path, to: Path) -> None:
    os.replace(path, to)
    if sidecar(path).exists():
        os.replace(sidecar(path), sidecar(to))


def _weights(checkpoint: dict[str, Any]):
    for part in ("state_dict", "current_model_state"):
        for name, tensor in checkpoint.get(part, {}).items():
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
                yield name, tensor
