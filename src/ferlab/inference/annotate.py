"""A picture and its faces in, the picture with boxes, labels and probabilities drawn on it out, or a file of it."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ferlab.errors import FerlabError
from ferlab.files import shown
from ferlab.inference.inputs import ANNOTATED
from ferlab.inference.results import UNCERTAIN, Face

_COLOUR, _UNSURE, _DARK = (80, 220, 120), (190, 190, 190), (20, 20, 20)  # RGB
_SMALLEST = 240  # px; a smaller picture is enlarged so that words can be read


def annotated(image: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
    """A copy of a picture uint8 [H,W,3] RGB; sides below 240 px are enlarged by a whole number."""
    scale = -(-_SMALLEST // max(image.shape[:2]))
    out = np.ascontiguousarray(np.repeat(np.repeat(image, scale, 0), scale, 1)) if scale > 1 else image.copy()
    width = max(round(max(out.shape[:2]) / 400), 1)
    for face in faces:
        colour = _UNSURE if face.label == UNCERTAIN else _COLOUR
        left, top = 0, 0
        if face.detection is not None:
            left, top, wide, high = np.rint(face.detection.box * scale).astype(int).tolist()
            cv2.rectangle(out, (left, top), (left + wide, top + high), colour, width)
        words = f"{face.label} {face.confidence:.0%}" + (f" #{face.track}" if face.track is not None else "")
        _write(out, words, left, top, width, colour)
    return out


def _write(out: np.ndarray, words: str, left: int, top: int, width: int, colour: tuple[int, int, int]) -> None:
    """Dark words on a bar above (left, top), or as near to it as the picture allows."""
    size = 0.25 + 0.25 * width
    (wide, high), below = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, size, width)
    x = min(max(left, 0), max(out.shape[1] - wide, 0))
    y = min(max(top - below, high + below), out.shape[0] - below)
    cv2.rectangle(out, (x, y - high - below), (x + wide, y + below), colour, cv2.FILLED)
    cv2.putText(out, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, _DARK, width, cv2.LINE_AA)


class AnnotatedFolder:
    """A folder for annotated files: no name occurs twice, and none is that of an input.

    Raises:
        FerlabError: the folder cannot be made.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._taken: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FerlabError(f"{folder} cannot be made ({error.strerror}); choose another for --annotated") from None

    def place(self, source: Path, suffix: str) -> Path:
        """The path of the next annotated file of an input, as clip.faces.mp4 or clip-2.faces.mp4."""
        n = 1
        stem = shown(source.stem).replace("\\", "_")  # no escape is part of a file name
        while (name := f"{stem}{'' if n == 1 else f'-{n}'}{ANNOTATED}{suffix}") in self._taken:
            n += 1
        self._taken.add(name)
        return self.folder / name

    def save(self, source: Path, image: np.ndarray) -> None:
        """Write an annotated picture uint8 [H,W,3] as JPEG; raises FerlabError where it cannot be written."""
        path = self.place(source, ".jpg")
        try:
            Image.fromarray(image).save(path, quality=92)
        except OSError as error:
            raise FerlabError(f"{path} cannot be written ({error.strerror or error})") from None
