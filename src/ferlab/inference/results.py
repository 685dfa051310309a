"""What a predictor found: faces, those of a picture, and those of several pictures, as objects, dicts or a table.

pandas is imported where a table is wanted; prediction does not need it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.inference.affect import Affect, affect_of
from ferlab.inference.detector import Detection
from ferlab.inference.video import Frame

if TYPE_CHECKING:
    import pandas

UNCERTAIN = "uncertain"
NO_FACE = "no face"
WHERE = ("source", "frame", "time_s", "face", "track", "x", "y", "width", "height", "score")  # columns of every table


@dataclass(frozen=True)
class Face:
    """A face and its expression.

    Attributes:
        label: an expression of `EXPRESSIONS`, or `uncertain`.
        confidence: the largest probability, whatever the label.
        probabilities: float32 [7] in the order of `EXPRESSIONS`; of a video smoothed over time.
        detection: where it is, in pixels; None where the whole picture is a face.
        track: in a video the number of the face, from 0 in order of appearance; else None.
    """

    label: str
    confidence: float
    probabilities: np.ndarray
    detection: Detection | None = None
    track: int | None = None

    @property
    def affect(self) -> Affect:
        """Valence and arousal that are derived from the probabilities; nobody measured them."""
        return affect_of(self.probabilities)

    def to_dict(self) -> dict[str, Any]:
        """Everything in types that JSON has: probabilities by name, and what is known of the detection."""
        found = self.detection
        return {
            "label": self.label,
            "confidence": self.confidence,
            "probabilities": dict(zip(EXPRESSIONS, self.probabilities.tolist(), strict=True)),
            **self.affect._asdict(),
            "box": None if found is None else found.box.tolist(),
            "score": None if found is None else found.score,
            "keypoints": None if found is None else found.keypoints.tolist(),
            "turn": None if found is None else found.turn,
            "track": self.track,
        }


class Faces(list[Face]):
    """The faces of one picture, the most certain first.

    Attributes:
        source: the picture's path, or `picture N` where it has none.
        width, height: of the picture in pixels.
    """

    __slots__ = ("height", "source", "width")

    def __init__(self, faces: Iterable[Face], source: str, width: int, height: int):
        super().__init__(faces)
        self.source, self.width, self.height = source, width, height

    def to_dict(self) -> dict[str, Any]:
        """Picture and faces in types that JSON has."""
        faces = [face.to_dict() for face in self]
        return {"source": self.source, "width": self.width, "height": self.height, "faces": faces}

    def to_pandas(self) -> "pandas.DataFrame":
        """A row a face, as `to_pandas` of this module."""
        return to_pandas([self])


class Pictures(list[Faces]):
    """The faces of several pictures, in the pictures' order."""

    __slots__ = ()

    def to_dicts(self) -> list[dict[str, Any]]:
        """A dict a picture, in types that JSON has."""
        return [faces.to_dict() for faces in self]

    def to_pandas(self) -> "pandas.DataFrame":
        """A row a face, as `to_pandas` of this module."""
        return to_pandas(self)


@dataclass(frozen=True)
class VideoFrame(Frame):
    """A frame of a video with its faces."""

    faces: Faces


def to_pandas(found: Iterable[Faces | VideoFrame]) -> "pandas.DataFrame":
    """A table with the columns of `ferlab.predict --out faces.csv`; a picture without a face has a row `no face`.

    Args:
        found: pictures, or the frames of a video as `Predictor.video` gives them.

    Raises:
        FerlabError: pandas is not installed.
    """
    try:
        import pandas
    except ModuleNotFoundError:
        raise FerlabError("pandas is not installed; type pip install pandas") from None
    columns = [*WHERE, "label", "confidence", *EXPRESSIONS, *Affect._fields]
    rows = [row for one in found for row in _rows(one)]
    return pandas.DataFrame(rows, columns=columns)


def _rows(one: Faces | VideoFrame) -> list[dict[str, Any]]:
    faces = one.faces if isinstance(one, VideoFrame) else one
    where: dict[str, Any] = {"source": faces.source}
    if isinstance(one, VideoFrame):
        where |= {"frame": one.index, "time_s": one.time_s}
    return [where | {"face": n} | _row(face) for n, face in enumerate(faces)] or [where | {"label": NO_FACE}]


def _row(face: Face) -> dict[str, Any]:
    row: dict[str, Any] = {"label": face.label, "confidence": face.confidence}
    row |= dict(zip(EXPRESSIONS, face.probabilities.tolist(), strict=True))
    row |= face.affect._asdict() | ({} if face.track is None else {"track": face.track})
    if face.detection is not None:
        row |= dict(zip(("x", "y", "width", "height"), face.detection.box.tolist(), strict=True))
        row["score"] = face.detection.score
    return row
