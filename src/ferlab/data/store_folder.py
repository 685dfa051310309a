"""One store folder on disk: written whole or not at all, read back memory-mapped, checked against its own note."""

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from ferlab import files
from ferlab.data.faces import Faces
from ferlab.errors import FerlabError
from ferlab.files import Json

ARRAYS = ("pixels", "targets", "split", "subject", "row")
NOTE, CARD = "store.json", "card.json"
_OWN = {*(f"{name}.npy" for name in ARRAYS), NOTE, CARD}
_LOCK_S = 900  # seconds that another process may take to build

Note = dict[str, Any]  # store.json: layout, options, raw files, arrays, number and files of the faces


@contextlib.contextmanager
def locked(stores: Path, name: str) -> Iterator[None]:
    """Hold the store, mended, against other processes; without effect in a folder that may not be written."""
    lock = FileLock(stores / f".{name}.lock")
    try:
        stores.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_LOCK_S)
    except Timeout:
        raise FerlabError(f"another process builds {stores / name} for {_LOCK_S} s; end it and run again") from None
    except OSError:
        # A read-only folder of finished stores serves as well; building in it raises the error.
        yield
        return
    try:
        _mend(stores / name)
        yield
    finally:
        lock.release()


def _mend(folder: Path) -> None:
    """Put back the store that a process had moved aside when it was killed, and remove all else that such left.

    The lock is held, so that nobody else builds this store.
    """
    aside, half = (list(folder.parent.glob(f".{folder.name}.{kind}-*")) for kind in ("old", "tmp"))
    for old in aside:
        if not folder.exists() and read_note(old):
            old.rename(folder)
    with contextlib.suppress(OSError):
        for left in (*aside, *half):
            (left / NOTE).unlink(missing_ok=True)  # first: without it the rest is no store
            shutil.rmtree(left, ignore_errors=True)
        for part in folder.glob("*.part"):
            part.unlink()


def read_note(folder: Path) -> Note | None:
    """The content of store.json; None where there is no store, or half a one."""
    try:
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) and note.keys() >= {"raw", "arrays", "files"} else None


def stamp(raw: Path | None, files: Sequence[Path], sha: bool) -> list[Json]:
    """Path (relative to `raw`, so that the data may move), size in bytes and time of each raw file, and its sha256."""
    stamps: list[Json] = []
    folder = raw if raw is not None and raw.is_dir() else None
    for file in files:
        status = file.stat()
        path = file.relative_to(folder).as_posix() if folder else file.name
        stamps.append({"path": path, "size": status.st_size, "mtime_ns": status.st_mtime_ns})
        if sha:
            stamps[-1]["sha256"] = _sha256(file)
    return stamps


def write(folder: Path, faces: Faces, note: Note) -> Note:
    """Write a store, in place of the one that may be there, and return its note with the arrays' sums added.

    Raises:
        FerlabError: no room or right to write; nothing half-written is left where a reader looks.
    """
    foreign = {entry.name for entry in folder.iterdir()} - _OWN if folder.is_dir() else set()
    if foreign:
        raise FerlabError(f"{folder} holds {', '.join(sorted(foreign)[:3])}, so it is no store; move it away")
    unique = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    temp, old = (folder.with_name(f".{folder.name}.{kind}-{unique}") for kind in ("tmp", "old"))
    note = {**note, "arrays": {}, "faces": len(faces), "files": list(faces.files)}
    try:
        temp.mkdir(parents=True)
        for name in ARRAYS:
            place = temp / f"{name}.npy"
            np.save(place, getattr(faces, name))
            note["arrays"][name] = {"size": place.stat().st_size, "sha256": _sha256(place)}
        write_note(temp, note)
        if folder.exists():
            folder.rename(old)
        temp.rename(folder)
    except OSError as error:
        raise FerlabError(
            f"cannot write the store {folder} ({error}); it needs {faces.pixels.nbytes >> 20} MB and the right to "
            f"write in {folder.parent}: make room, or set data.root to another place"
        ) from None
    finally:
        _mend(folder)
    return note


def write_note(folder: Path, note: Note) -> None:
    """Write store.json so that a reader finds the old or the new one."""
    files.write_text(folder / NOTE, json.dumps(note))


def same(note: Note, made_of: Note) -> bool:
    """Whether a store was made of these layout, options and format."""
    return all(note.get(key) == value for key, value in made_of.items())


def is_current(folder: Path, note: Note, made_of: Note, raw: Path | None, files: Sequence[Path]) -> bool:
    """Whether a store is that of these raw files: by size and time, else by sha256, with which the note is renewed."""
    if not files:
        return True  # there is nothing to build it from anew
    if not same(note, made_of):
        return False
    stamps = stamp(raw, files, sha=False)
    known = [{key: entry[key] for key in ("path", "size", "mtime_ns")} for entry in note["raw"]]
    if stamps == known:
        return True
    if [(s["path"], s["size"]) for s in stamps] != [(s["path"], s["size"]) for s in known]:
        return False
    stamps = stamp(raw, files, sha=True)
    if [s["sha256"] for s in stamps] != [s["sha256"] for s in note["raw"]]:
        return False
    note["raw"] = stamps
    with contextlib.suppress(OSError):  # a read-only store is as good, only checked again next time
        write_note(folder, note)
    return True


def load(folder: Path, note: Note, verify: bool) -> Faces:
    """Memory-mapped faces; sizes and shapes are checked, with `verify` also every array's sha256.

    Raises:
        FerlabError: a file is missing or not as it was written.
    """
    arrays = {}
    try:
        for name in ARRAYS:
            place, known = folder / f"{name}.npy", note["arrays"][name]
            if place.stat().st_size != known["size"]:
                raise ValueError(f"{place.name} has {place.stat().st_size} bytes instead of {known['size']}")
            if verify and _sha256(place) != known["sha256"]:
                raise ValueError(f"{place.name} has another sha256 than when it was written")
            arrays[name] = np.load(place, mmap_mode="r")
        return Faces(**arrays, files=note["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FerlabError(
            f"the store {folder} is damaged: {error}. Delete that folder (rm -r '{folder}') and run again to rebuild "
            "it from the raw files"
        ) from None


def _sha256(file: Path) -> str:
    try:
        return files.sha256_of(file)
    except OSError as error:
        raise FerlabError(f"{file} cannot be read ({error.strerror}); check its permissions") from None
