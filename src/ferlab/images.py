"""Image files of any kind in, grey 48x48 faces or pictures out; no other module decodes images or walks folders."""

import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps

from ferlab.errors import FerlabError

with suppress(ImportError):  # the extra [heif]: pictures of phones
    from pillow_heif import register_heif_opener

    register_heif_opener()

log = logging.getLogger(__name__)

SIDE = 48  # pixels of a face
MAX_PIXELS = 50_000_000
_JUNK = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}

# Of Pillow's formats those that hold no picture, or of which it reads only the size, or for which it starts a program.
_NO_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "PDF", "WMF"}

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels

_Tags = Mapping[int, Any]  # of a TIFF
_BITS, _ZERO_IS = 258, 262  # the tags BitsPerSample, and PhotometricInterpretation, which is 0 where zero is white
_BY_WAY_OF = {"P": "RGBA", "PA": "RGBA", "RGBa": "RGBA", "La": "LA"}  # modes that Pillow cannot convert at once


def decode(path: Path, box: Box | str | None = None, content: BinaryIO | Image.Image | None = None) -> np.ndarray:
    """The image in a file, or its part in `box`, or its "centre" square, as a grey face, uint8 [48,48].

    It is turned by its EXIF tag; of an animation the first picture counts; transparency is left out. Grey of more than
    8 bits is scaled to 255 (of 16 bits divided by 257) unless all its values are below 256, which are 8-bit values in
    a wide type. Grey in floating point must lie in 0..1. Resizing is bilinear with antialiasing. Where a box reaches
    beyond the image, the image's rim goes on.

    Args:
        content: read instead of the file; errors name it by `path`.

    Raises:
        FerlabError: unreadable, truncated or no image, larger than 50 million pixels, whole numbers beyond 16 bits,
            float beyond 0..1, colours that Pillow cannot convert (LAB), or a box that lies outside.
    """
    face = _opened(path, _grey, content)
    if isinstance(box, str):
        side = min(face.size)
        left, top = (face.width - side) // 2, (face.height - side) // 2
        box = left, top, left + side, top + side
    if box:
        face, box = _with_rim(face, box, path)
    if face.size != (SIDE, SIDE) or box:
        face = face.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box)
    return np.asarray(face, np.uint8)


def picture(path: Path, content: BinaryIO | Image.Image | None = None) -> np.ndarray:
    """The image in a file in its own size and colours, uint8 [H,W,3], RGB; otherwise as `decode`.

    Args:
        content: read instead of the file; errors name it by `path`.
    """
    return np.asarray(_opened(path, _rgb, content), np.uint8)


def _opened(
    path: Path,
    convert: Callable[[Image.Image, Path, _Tags], Image.Image],
    content: BinaryIO | Image.Image | None = None,
) -> Image.Image:
    """`convert` of the first picture in a file, upright; every way in which that fails is a FerlabError."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of bombs from MAX_IMAGE_PIXELS on; the size is checked here, before anything is decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with nullcontext(content) if isinstance(content, Image.Image) else Image.open(content or path) as image:
                if image.format in _NO_PICTURES:
                    raise FerlabError(f"{path} is of the format {image.format}; expected a picture: save it as PNG")
                if image.width * image.height > MAX_PIXELS:
                    raise FerlabError(
                        f"{path} has {image.width}x{image.height} pixels; expected at most {MAX_PIXELS:,}. Shrink it"
                    )
                if image is not content:  # whose picture its owner has chosen
                    image.seek(0)
                # A turned picture has no tags.
                return convert(ImageOps.exif_transpose(image), path, getattr(image, "tag_v2", {}))
    except FerlabError:
        raise
    except Image.DecompressionBombError:
        raise FerlabError(f"{path} has more than {MAX_PIXELS:,} pixels; shrink it") from None
    except OSError as error:  # Pillow's own errors, of no or of half an image, are OSErrors too
        mend = "pip install 'ferlab[heif]'" if path.suffix.lower() in (".heic", ".heif") else "replace or remove it"
        raise FerlabError(f"{path} is no readable image ({error}); {mend}") from None
    except Exception as error:  # Pillow's decoders raise SyntaxError, ValueError, struct.error and more on damage
        raise FerlabError(f"{path} is a damaged image ({type(error).__name__}: {error}); replace it") from None


def _with_rim(face: Image.Image, box: Box, path: Path) -> tuple[Image.Image, Box]:
    """A grey image, grown by its rim as far as a box reaches beyond it, and the box in it."""
    left, top, right, bottom = box
    width, height = face.size
    sides = (left, right, width), (top, bottom, height)
    if not all(0 < high - low <= 3 * size and low < size and high > 0 for low, high, size in sides):
        raise FerlabError(f"{path} has {width}x{height} pixels; its face cannot be in {box} (left, top, right, bottom)")
    before, above = math.ceil(max(-left, 0)), math.ceil(max(-top, 0))
    after, below = math.ceil(max(right - width, 0)), math.ceil(max(bottom - height, 0))
    if not (before or above or after or below):
        return face, box
    grown = np.pad(np.asarray(face), ((above, below), (before, after)), "edge")
    return Image.fromarray(grown), (left + before, top + above, right + before, bottom + above)


def _grey(image: Image.Image, path: Path, tags: _Tags) -> Image.Image:
    """Any Pillow mode -> mode L."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _eight_bits(image, path, tags)
    if image.mode == "LAB":
        raise FerlabError(f"{path} has colours of the kind LAB; save it as RGB or grey")
    return image.convert(_BY_WAY_OF.get(image.mode, image.mode)).convert("L")


def _rgb(image: Image.Image, path: Path, tags: _Tags) -> Image.Image:
    """Any Pillow mode -> mode RGB, transparency left out."""
    if image.mode in ("F", "LAB") or image.mode.startswith("I"):
        image = _grey(image, path, tags)
    return image.convert(_BY_WAY_OF.get(image.mode, image.mode)).convert("RGB")


def _eight_bits(image: Image.Image, path: Path, tags: _Tags) -> Image.Image:
    """Grey of many bits or in floating point -> mode L; convert("L") would clip it to white."""
    values = np.asarray(image).astype(np.float64)
    if image.mode == "F":
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise FerlabError(f"{path} is a floating-point image beyond 0..1; save it as 8-bit grey")
        largest = 1
    else:
        if values.min() < 0 or values.max() > 65535:
            raise FerlabError(
                f"{path} holds values {values.min():.0f} to {values.max():.0f}; expected 8- or 16-bit grey"
            )
        # Scaled as 16 bits, 8-bit values would all be black. Pillow hands 12-bit values on as they are.
        largest = 255 if values.max() <= 255 else 4095 if tags.get(_BITS) == (12,) else 65535
    grey = np.rint(values * (255 / largest)).astype(np.uint8)
    return Image.fromarray(255 - grey if tags.get(_ZERO_IS) == 0 else grey)  # Pillow turns 8 bits alone


@cache
def suffixes() -> frozenset[str]:
    """Suffixes of the image files that the installed Pillow reads, as `.png`; of HEIC with the extra [heif]."""
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind not in _NO_PICTURES)


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
