"""Whatever holds a picture in, uint8 [H,W,3] RGB out."""

import inspect
import io
import os
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from ferlab.errors import FerlabError
from ferlab.images import picture

Picture = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray
TAKEN = (
    "a path, a PIL image, the bytes of an image file, a file opened with 'rb', or an array uint8 [H,W], [H,W,1], "
    "[H,W,3] RGB or [H,W,4] RGBA"
)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # also what is left of https:// in a Path


def rgb(source: Picture, bgr: bool = False) -> np.ndarray:
    """A picture as uint8 [H,W,3].

    Args:
        source: as `TAKEN` says.
        bgr: arrays hold blue first, as OpenCV reads them. Files and PIL images say themselves what they hold.

    Raises:
        FerlabError: it is something else, an address of the network, or no readable image.
    """
    if isinstance(source, np.ndarray):
        return _of_array(source, bgr)
    if isinstance(source, str | os.PathLike):
        return picture(local(source))
    if isinstance(source, Image.Image):
        return picture(Path(getattr(source, "filename", "") or "the PIL image"), source)
    if isinstance(source, bytes | bytearray | memoryview):
        return picture(Path("the image in the bytes"), io.BytesIO(source))
    if callable(getattr(source, "read", None)) and not inspect.iscoroutinefunction(source.read):
        return _of_file(source)
    raise FerlabError(f"a picture is of type {type(source).__name__}; expected {TAKEN}")


def named(source: Picture) -> str:
    """The path of a picture's file; empty where it has none that is known."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    name = getattr(source, "filename" if isinstance(source, Image.Image) else "name", "")
    return name if isinstance(name, str) else ""


def local(source: str | os.PathLike[str]) -> Path:
    """The path of a file of this machine; raises FerlabError for an address of the network."""
    path = Path(source)
    if _URL.match(os.fspath(source)) and not path.exists():
        raise FerlabError(f"{source} is an address, and nothing is read from the network; download it first")
    return path


def _of_file(file: BinaryIO) -> np.ndarray:
    if file.seekable():
        file.seek(0)
    content = file.read()  # what comes over a connection cannot be read twice, as Pillow would
    if not isinstance(content, bytes):
        raise FerlabError(f"a picture is of type {type(file).__name__}, which gives no bytes; expected {TAKEN}")
    return picture(Path(str(getattr(file, "name", "the image in the open file"))), io.BytesIO(content))


def _of_array(array: np.ndarray, bgr: bool) -> np.ndarray:
    if (
        array.dtype != np.uint8
        or not array.size
        or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4)))
    ):
        raise FerlabError(f"a picture is {array.dtype} {list(array.shape)}; expected {TAKEN}")
    if array.ndim == 2 or array.shape[2] == 1:
        return np.repeat(array.reshape(*array.shape[:2], 1), 3, 2)
    return np.ascontiguousarray(array[..., 2::-1]) if bgr else array[..., :3]
