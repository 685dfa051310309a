"""Image files in, grey faces out."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from ferlab.errors import FerlabError
from ferlab.images import SIDE, Box, decode, picture

log = logging.getLogger(__name__)

CROPS = ("centre", "face", "stretch")


@dataclass(frozen=True)
class Item:
    """A file with a face.

    Attributes:
        label: as the layout has it, a name ("happy", "Happiness", "3 happy", "HA") or a number ("3").
        split: code of the official split, where the layout states one.
        subject: any name of the person.
        box: of the face in the picture, or None for what `crop` says.
        content: the file's bytes or picture, where they do not lie in a file.
    """

    file: Path
    label: str
    split: int | None = None
    subject: str | None = None
    box: Box | str | None = None
    content: bytes | Image.Image | None = None


def decode_all(items: Sequence[Item], strict: bool, crop: str = "centre") -> tuple[np.ndarray, np.ndarray]:
    """(faces uint8 [n,48,48], their indices in `items` [n]); n is less only if not strict and some are no images.

    `crop` counts where an item has no box: `centre` square, `face` that the detector finds, or `stretch` of all.

    Raises:
        FerlabError: no such crop; if strict also the first item that is no image, or in which no face is found.
    """
    if crop not in CROPS:
        raise FerlabError(f"crop is {crop!r}; choose one of {', '.join(CROPS)}")
    pixels = np.empty((len(items), SIDE, SIDE), np.uint8)
    good: list[int] = []
    first: FerlabError | None = None
    for i, item in enumerate(items):
        try:
            pixels[len(good)] = decode(item.file, item.box or _box(item, crop), _stream(item))
            good.append(i)
        except FerlabError as error:
            if strict:
                raise
            first = first or error
    if first:
        log.warning("left out %d of %d files; the first: %s", len(items) - len(good), len(items), first)
    return pixels[: len(good)], np.array(good, np.int64)


def _box(item: Item, crop: str) -> Box | str | None:
    if crop == "face":
        return _face(item)
    return "centre" if crop == "centre" else None


def _face(item: Item) -> Box:
    """The square around the most certain face, framed as FER2013's faces are."""
    from ferlab.inference.framing import square  # its libraries take a second to load, and few need it

    detector, margin = _detector()
    found = detector([picture(item.file, _stream(item))])[0]
    if not found:
        raise FerlabError(f"{item.file}: no face was found; take its centre with crop: centre, or move it away")
    left, top, side = square(found[0].box, **margin)
    return left, top, left + side, top + side


@cache
def _detector():
    from ferlab.inference import models
    from ferlab.inference.detector import FaceDetector

    margin = json.loads(models.find("five_layer").with_suffix(".json").read_text(encoding="utf-8"))["margin"]
    return FaceDetector(), margin


def _stream(item: Item) -> BytesIO | Image.Image | None:
    return BytesIO(item.content) if isinstance(item.content, bytes) else item.content
