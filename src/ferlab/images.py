"""Image files of any kind in, grey 48x48 faces or pictures out; no other module decodes images or walks folders."""

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from ferlab.errors import FerlabError

log = logging.getLogger(__name__)

SIDE = 48  # pixels of a face
MAX_PIXELS = 50_000_000
_JUNK = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


def decode(path: Path, box: Box | str | None = None) -> np.ndarray:
    """The image in a file, or its part in `box`, or its "centre" square, as a grey face, uint8 [48,48].

    It is turned by its EXIF tag; of an animation the first picture counts; transparency is left out. 16-bit grey is
    divided by 257, and grey in floating point must lie in 0..1. Resizing is bilinear with antialiasing.

    Raises:
        FerlabError: unreadable, truncated or no image, larger than 50 million pixels, or float beyond 0..1.
    """
    face = _opened(path, _grey)
    if face.size != (SIDE, SIDE) or box:
        face = face.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=_inside(box, *face.size))
    return np.asarray(face, np.uint8)


def picture(path: Path, content: BinaryIO | Image.Image | None = None) -> np.ndarray:
    """The image in a file in its own size and colours, uint8 [H,W,3], RGB; otherwise as `decode`.

    Args:
        content: read instead of the file; errors name it by `path`.
    """
    return np.asarray(_opened(path, _rgb, content), np.uint8)


def _opened(
    path: Path,
    convert: Callable[[Image.Image, Path], Image.Image],
    content: BinaryIO | Image.Image | None = None,
) -> Image.Image:
    """`convert` of the first picture in a file, upright; every way in which that fails is a FerlabError."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of bombs from MAX_IMAGE_PIXELS on; the size is checked here, before anything is decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with nullcontext(content) if isinstance(content, Image.Image) else Image.open(content or path) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise FerlabError(
                        f"{path} has {image.width}x{image.height} pixels; expected at most {MAX_PIXELS:,}. Shrink it"
                    )
                if image is not content:  # whose picture its owner has chosen
                    image.seek(0)
                return convert(ImageOps.exif_transpose(image), path)
    except FerlabError:
        raise
    except Image.DecompressionBombError:
        raise FerlabError(f"{path} has more than {MAX_PIXELS:,} pixels; shrink it") from None
    except OSError as error:  # Pillow's own errors, of no or of half an image, are OSErrors too
        raise FerlabError(f"{path} is no readable image ({error}); replace or remove it") from None
    except Exception as error:  # Pillow's decoders raise SyntaxError, ValueError, struct.error and more on damage
        raise FerlabError(f"{path} is a damaged image ({type(error).__name__}: {error}); replace it") from None


def _inside(box: Box | str | None, width: int, height: int) -> Box | None:
    """The part of a box that lies in the image; of "centre" the square."""
    if isinstance(box, str):
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        return left, top, left + side, top + side
    return box and (max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height))


def _grey(image: Image.Image, path: Path) -> Image.Image:
    """Any Pillow mode -> mode L. convert("L") alone would clip 16-bit and float images to white."""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise FerlabError(f"{path} holds values {values.min()} to {values.max()}; expected 8- or 16-bit grey")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode == "F":
        values = np.asarray(image)
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise FerlabError(f"{path} is a floating-point image beyond 0..1; save it as 8-bit grey")
        return Image.fromarray(np.rint(values * 255).astype(np.uint8))
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    return image.convert("L")


def _rgb(image: Image.Image, path: Path) -> Image.Image:
    """Any Pillow mode -> mode RGB, transparency left out."""
    if image.mode.startswith("I") or image.mode == "F":
        image = _grey(image, path)
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    return image.convert("RGB")


def files_under(folder: Path) -> Iterator[Path]:
    """Files below a folder in sorted order, without the hidden ones and those of macOS and Windows.

    Linked folders are entered, each once, so that a loop of links ends.

    Raises:
        FerlabError: a folder cannot be listed.
    """
    entered = set()

    def fail(error: OSError) -> None:
        raise FerlabError(f"{error.filename} cannot be listed ({error.strerror}); check that it exists") from None

    for where, folders, names in os.walk(folder, followlinks=True, onerror=fail):
        status = os.stat(where)
        if (status.st_dev, status.st_ino) in entered:
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not is_junk(name))
        yield from (Path(where, name) for name in sorted(names) if not is_junk(name))


def is_junk(name: str) -> bool:
    """Whether a file or folder name is hidden or the operating system's own."""
    return name.startswith(".") or name.lower() in _JUNK
