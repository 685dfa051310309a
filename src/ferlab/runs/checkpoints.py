"""Checkpoints that survive what interrupts a run: written whole or not at all, never with NaN, loaded without code."""

import os
from pathlib import Path
from typing import Any

from ferlab.errors import FerlabError
from ferlab.files import sha256_of

LAST, BEFORE, BEST = "last.ckpt", "before_last.ckpt", "best.ckpt"


def load(path: str | os.PathLike) -> dict[str, Any]:
    """Checkpoint on the CPU. Pickled code is never run (torch's weights_only).

    Raises:
        FerlabError: not there, not the bytes that were saved, not a checkpoint, or one that wants to run code.
    """
    import torch  # here, so that a run's config and numbers are read without it

    path = Path(path)
    if not path.is_file():
        raise FerlabError(f"{path} is no checkpoint file")
    if sidecar(path).is_file() and sha256_of(path) != sidecar(path).read_text().strip():
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
