"""Image files in, grey faces out, decoded in several threads."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ferlab.errors import FerlabError
from ferlab.images import SIDE, Box, decode, log


def decode_all(
    paths: Sequence[Path], strict: bool, boxes: Sequence[Box | str | None] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(faces uint8 [n,48,48], their indices in `paths` [n]); n is less only if not strict and some are no images."""
    pixels = np.empty((len(paths), SIDE, SIDE), np.uint8)
    good: list[int] = []
    first: FerlabError | None = None
    for i, path in enumerate(paths):
        try:
            pixels[len(good)] = decode(path, boxes[i] if boxes else None)
            good.append(i)
        except FerlabError as error:
            if strict:
                raise
            first = first or error
    if first:
        log.warning("left out %d of %d files; the first: %s", len(paths) - len(good), len(paths), first)
    return pixels[: len(good)], np.array(good, np.int64)
