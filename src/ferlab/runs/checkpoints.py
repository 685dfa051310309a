"""Checkpoints that survive what interrupts a run: written whole or not at all, never with NaN, loaded without code."""

import hashlib
import mmap
import os
from pathlib import Path
from typing import Any, BinaryIO

from ferlab.errors import FerlabError
from ferlab.files import sha256_of

LAST, BEFORE, BEST = "last.ckpt", "before_last.ckpt", "best.ckpt"
_MARK, _DIGITS = b"sha256 ", 64  # the comment that ends a checkpoint, which is a zip file


def load(path: str | os.PathLike) -> dict[str, Any]:
    """Checkpoint on the CPU. Pickled code is never run (torch's weights_only).

    Raises:
        FerlabError: not there, not the bytes that were saved, not a checkpoint, or one that wants to run code.
    """
    import torch  # here, so that a run's config and numbers are read without it

    path = Path(path)
    if not path.is_file():
        raise FerlabError(f"{path} is no checkpoint file")
    refuse_damaged(path)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises pickle, zip, EOF, runtime and key errors for what is no checkpoint
        reason = str(error).strip().splitlines() or [type(error).__name__]
        sentence = reason[0].split(". ")[0]
        raise FerlabError(f"{path} is no checkpoint that can be loaded safely: {sentence}") from error
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


def seal(file: BinaryIO) -> None:
    """End a zip file, as torch.save has just written it, with the sha256 of all bytes before as the zip's comment.

    A sum in a file of its own would be replaced at another moment than the checkpoint.

    Args:
        file: open for reading and writing.
    """
    file.seek(-2, os.SEEK_END)  # the length of the comment, of which torch writes none
    file.write((len(_MARK) + _DIGITS).to_bytes(2, "little") + _MARK)
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]
    file.write(digest.hexdigest().encode())  # at the end, where reading stops


def refuse_damaged(path: Path) -> None:
    """Raises FerlabError for a file that is not what its sha256 says; a file without one passes."""
    sidecar = path.with_name(path.name + ".sha256")  # of older runs
    if sidecar.is_file() and sha256_of(path) != sidecar.read_text().strip():
        raise FerlabError(f"{path} is not what was saved: its sha256 differs from {sidecar.name}")
    if path.stat().st_size < len(_MARK) + _DIGITS:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        if whole[-_DIGITS - len(_MARK) : -_DIGITS] != _MARK:
            return
        with memoryview(whole) as content, content[:-_DIGITS] as sealed:
            if hashlib.sha256(sealed).hexdigest().encode() != whole[-_DIGITS:]:
                raise FerlabError(f"{path} is not what was saved: its sha256 differs from the one in its last bytes")


def without_sidecar(path: Path) -> None:
    """Remove the sha256 that older runs kept beside a checkpoint, before other bytes take its place."""
    path.with_name(path.name + ".sha256").unlink(missing_ok=True)
