"""Files written whole or not at all, their names and their checksums."""

import contextlib
import csv
import errno
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ferlab.errors import FerlabError

if TYPE_CHECKING:
    import numpy as np

Json = dict[str, Any]  # an object of a JSON file
Config = dict[str, Any]  # a file of conf/ with what was typed, or a run's config.yaml, resolved

# What no text may hold raw: control characters, which a terminal obeys, those that turn the direction of the words
# around them, and halves of characters, by which Python stands for bytes of a file name that are not UTF-8.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(name: object) -> str:
    """A file name, or a text with one, as a report or a terminal may hold it: one line of UTF-8, all else escaped."""
    return _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], str(name))


_WHOLE = ".written"  # in a folder: files that are complete and will take their places
_LONGEST = 200  # bytes of a name; file systems end at 255, and endings are added


def refuse_name(name: Any, what: str = "name", found: bool = False) -> None:
    """Refuse what is not the name of one folder or file inside another.

    Args:
        what: is called so, for the message.
        found: in a file that somebody else may have written; else it was typed, and can be typed again.

    Raises:
        FerlabError: it is no text, leads elsewhere, is too long or holds other characters.
    """
    plain = isinstance(name, str) and 0 < len(name.encode(errors="surrogatepass")) <= _LONGEST
    if found:
        plain = plain and name not in (".", "..") and not re.search(rf"[/\\]|{_UNSAFE.pattern}", name)
    if not plain or not (found or re.fullmatch(r"\w[\w.+-]*", name)):
        text = repr(name) if len(repr(name)) < _LONGEST else f"{repr(name)[:40]}..."
        raise FerlabError(
            f"{what} is {text}; use letters, digits, . _ + and -, at most {_LONGEST} and no sign first, so that it can "
            "be typed as a value"
        )


@contextlib.contextmanager
def replacing(path: Path, durable: bool = False, keep: Path | None = None) -> Iterator[BinaryIO]:
    """A file to write into, which takes the place of `path` once it is complete; folders above it are made.

    Each process writes into a file of its own beside the target: a rename within one folder is atomic, and two writers
    do not mix.

    Args:
        durable: flush to the disk first, so that the file survives a loss of power too.
        keep: the name that the file which was there gets.

    Raises:
        FerlabError: the disk refuses (full, read-only); what was there before stays.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w+b") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if keep and path.exists():
            os.replace(path, keep)
        os.replace(part, path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # a read-only disk refuses this too
            part.unlink()
        if isinstance(error, OSError):
            raise FerlabError(refusal(error, path)) from error
        raise


def refusal(error: OSError, path: Path | None = None) -> str:
    """What the disk refuses, in one line: which file, why, and what to do."""
    which = "a file" if path is None and error.filename is None else shown(path or error.filename)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    mend = "free some space" if full else "look at the path, its permissions and its disk"
    return f"could not {'use' if path is None else 'write'} {which} ({error.strerror or error}); {mend}"


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError inside becomes a FerlabError that names `path`."""
    try:
        yield
    except OSError as error:
        raise FerlabError(refusal(error, path)) from error


def refuse_unwritable(folder: Path, size: int) -> None:
    """Make a folder and write so many bytes into it, which are gone afterwards: what follows will have room.

    Raises:
        FerlabError: the disk refuses (full, read-only).
    """
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(size))
            file.flush()


def write_bytes(path: Path, content: bytes) -> None:
    """Raises as `replacing`."""
    with replacing(path) as file:
        file.write(content)


def write_together(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Several files of a folder, by name: all or none, for whoever calls `settle` before he reads.

    Raises as `replacing`.
    """
    settle(folder)
    half = folder / f"{_WHOLE}.{os.getpid()}.part"
    try:
        for name, content in contents.items():
            write_bytes(half / name, content)
        with naming(folder):
            for name in contents:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
            half.rename(folder / _WHOLE)
    finally:
        for left in folder.glob(f"{_WHOLE}.*.part"):  # also of processes that were killed
            shutil.rmtree(left, ignore_errors=True)
    settle(folder)


def settle(folder: Path) -> None:
    """Put in place what `write_together` has written, where it was killed before it could. Raises as `replacing`."""
    whole = folder / _WHOLE
    if not whole.is_dir():
        return
    with naming(folder):
        for file in whole.rglob("*"):
            if file.is_file():
                with contextlib.suppress(FileNotFoundError):  # another process was faster
                    file.replace(folder / file.relative_to(whole))
        shutil.rmtree(whole, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write in UTF-8, and only where something changes: a file as before keeps its time. Raises as `replacing`."""
    content = text.encode("utf-8", "backslashreplace")
    if not path.is_file() or path.read_bytes() != content:
        write_bytes(path, content)


def write_json(path: Path, content: Mapping[str, Any] | Sequence[Any]) -> None:
    """Raises as `replacing`."""
    write_text(path, json.dumps(content, indent=2, default=_number) + "\n")


def read_json(path: Path, mend: str) -> Any:
    """The content of a JSON file; `mend` is what to type where it is damaged.

    Raises:
        FerlabError: it is not there, or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise FerlabError(f"{path} cannot be read ({reason}); {mend}") from None


def write_csv(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Rows, the first of them the head. Raises as `replacing`."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    write_text(path, text.getvalue())


def write_array(path: Path, array: "np.ndarray") -> None:
    """A .npy file. Raises as `replacing`."""
    import numpy as np  # here, so that a command's help does not wait for it

    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    write_bytes(path, content.getvalue())


def sha256_of(path: Path) -> str:
    """sha256 of a file as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _number(value: Any) -> Any:
    """Scalars of numpy and torch as Python's."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value)} does not go into JSON")
