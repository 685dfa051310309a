"""Checkpoints that survive what interrupts a run: written whole or not at all, never with NaN, loaded without code."""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from ferlab.errors import FerlabError

_OF_BEST = ("state_dict", "epoch", "global_step", "pytorch-lightning_version")
LAST, BEFORE, BEST = "last.ckpt", "before_last.ckpt", "best.ckpt"


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
            sidecar(part).write_text(hash_file(part) + "\n")
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
    """Saves every so many epochs, and the last epoch whatever its number, so that a finished run can be continued."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch + 1 == trainer.max_epochs:
            self._every_n_epochs = 1
        super().on_train_epoch_end(trainer, pl_module)


def load(path: str | os.PathLike) -> dict[str, Any]:
    """Checkpoint on the CPU. Pickled code is never run (torch's weights_only).

    Raises:
        FerlabError: not there, not the bytes that were saved, not a checkpoint, or one that wants to run code.
    """
    path = Path(path)
    if not path.is_file():
        raise FerlabError(f"{path} is no checkpoint file")
    if sidecar(path).is_file() and hash_file(path) != sidecar(path).read_text().strip():
        raise FerlabError(f"{path} is not what was saved: its sha256 differs from {sidecar(path).name}")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises pickle, zip, EOF, runtime and key errors for what is no checkpoint
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise FerlabError(f"{path} is no checkpoint that can be loaded safely: {reason[0]}") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise FerlabError(f"{path} holds no state_dict; expected a checkpoint written by ferlab.train")
    return checkpoint


def newest(folder: Path) -> tuple[Path, list[str]]:
    """The newest checkpoint of a run that loads, and why each newer one does not.

    Raises:
        FerlabError: none loads.
    """
    faults: list[str] = []
    for name in (LAST, BEFORE):
        try:
            load(folder / name)
        except FerlabError as error:
            faults.append(str(error))
        else:
            return folder / name, faults
    raise FerlabError(f"nothing to continue from: {'; '.join(faults)}; leave out ckpt=last to start anew")


def sidecar(path: Path) -> Path:
    """Where the sha256 of a checkpoint stands."""
    return path.with_name(path.name + ".sha256")


def hash_file(path: Path) -> str:
    """sha256 of a file as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rename(path: Path, to: Path) -> None:
    os.replace(path, to)
    if sidecar(path).exists():
        os.replace(sidecar(path), sidecar(to))


def _weights(checkpoint: dict[str, Any]):
    for part in ("state_dict", "current_model_state"):
        for name, tensor in checkpoint.get(part, {}).items():
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
                yield name, tensor
