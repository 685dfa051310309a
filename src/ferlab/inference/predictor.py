"""Pictures in, their faces with an expression each out: detector, crop and exported model in one, without torch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, K
from ferlab.inference import models
from ferlab.inference.affect import Affect, affect_of
from ferlab.inference.detector import Detection, FaceDetector
from ferlab.inference.everyone import every_face
from ferlab.inference.framing import resized
from ferlab.inference.onnx_model import THREADS, OnnxModel
from ferlab.inference.pictures import Picture, rgb
from ferlab.inference.priors import corrected, factors, of_model, shares_of
from ferlab.inference.tracks import LOST_S, TIME_CONSTANT_S, Tracks
from ferlab.inference.turning import crop_of
from ferlab.inference.video import Frame, Video

UNCERTAIN = "uncertain"
_SHIPPED = "five_layer_world"
_LARGEST = 1024  # px a side of a picture that is a face
_PICTURES = 16  # that are read, searched and cut out together; a detector's memory grows with them


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


@dataclass(frozen=True)
class VideoFrame(Frame):
    """A frame of a video with its faces."""

    faces: list[Face]


class Predictor:
    """Faces of pictures and their expressions.

    Args:
        model: an exported model, the path of its .onnx, or the name of one in the package; None for `five_layer_world`.
        detect: False where every picture is a face already cut out; of one that is not square its centre counts.
        min_confidence: a face whose largest probability is below it is labelled `uncertain`; None takes the model's
            own threshold, which its JSON states.
        min_score: the detector's least score of a face; None takes its own.
        batch_size: largest number of faces in one call of the model.
        threads: of detector and model; 0 for all cores.
        priors: shares of the classes among the faces to come, for who knows them: `uniform`, `fer2013`, `ferplus` or
            seven numbers in the order of `EXPRESSIONS`; None for those that the model learned.
        bgr: arrays hold blue first, as cv2.imread gives them; else they are RGB. Nothing in an array tells.

    Raises:
        FerlabError: no such model, or a number outside its range.
    """

    def __init__(
        self,
        model: str | Path | OnnxModel | None = None,
        detect: bool = True,
        min_confidence: float | None = None,
        min_score: float | None = None,
        batch_size: int = 64,
        threads: int = THREADS,
        bgr: bool = False,
        priors: str | Sequence[float] | None = None,
    ):
        self.model = model if isinstance(model, OnnxModel) else OnnxModel.open(models.find(model or _SHIPPED), threads)
        self.min_confidence = self.model.threshold if min_confidence is None else min_confidence
        if not 0 <= self.min_confidence <= 1:
            raise FerlabError(f"min_confidence is {self.min_confidence}; expected a number from 0 to 1")
        if batch_size < 1:
            raise FerlabError(f"batch_size is {batch_size}; expected 1 or more")
        self.detector = FaceDetector(min_score, threads) if detect else None
        self.batch_size, self.bgr = batch_size, bgr
        self.priors = None if priors is None else shares_of(priors)
        self._factors = None if self.priors is None else factors(self.priors, of_model(self.model.sidecar))

    @property
    def provenance(self) -> dict[str, Any]:
        """The model's file name and sha256, the confidence below which labels are withheld, and stated priors."""
        checksum = self.model.sidecar["sha256"]
        found = {"model": self.model.path.name, "sha256": checksum, "min_confidence": self.min_confidence}
        return found if self.priors is None else found | {"priors": self.priors.tolist()}

    def __call__(self, image: Picture) -> list[Face]:
        """Faces of a picture, the most certain face first; pictures and errors are those of `batch`."""
        return self.batch([image])[0]

    def batch(self, images: Iterable[Picture], everyone: bool = True) -> list[list[Face]]:
        """Faces of each picture; pictures and faces may be of any sizes, and memory holds a few pictures at a time.

        Args:
            images: paths, PIL images, bytes of image files, files opened with "rb", or arrays uint8 [H,W] or [H,W,1]
                grey, [H,W,3] RGB or [H,W,4] RGBA.
            everyone: False looks for small faces only where there is no large one, and for none that are turned, as
                `video` does.

        Raises:
            FerlabError: no readable image, an array of another type or shape, or anything else.
        """
        each, found = iter(images), []
        while few := [rgb(image, self.bgr) for image in islice(each, _PICTURES)]:
            found += self._few(few, everyone)
        return found

    def _few(self, pictures: list[np.ndarray], everyone: bool) -> list[list[Face]]:
        if self.detector is None:
            crops = [np.dstack([image, np.full(image.shape[:2], 255, np.uint8)]) for image in map(_square, pictures)]
            return [[face] for face in map(self._face, self._probabilities(crops))]
        found = every_face(self.detector, pictures) if everyone else self.detector(pictures)
        crops = [
            crop_of(image, face, self.model.margin)
            for image, faces in zip(pictures, found, strict=True)
            for face in faces
        ]
        each = iter(self._probabilities(crops))
        return [[self._face(next(each), face) for face in faces] for faces in found]

    def video(
        self,
        source: str | Path | int | Video,
        time_constant_s: float = TIME_CONSTANT_S,
        lost_s: float = LOST_S,
        everyone: bool = False,
    ) -> Iterator[VideoFrame]:
        """Frames of a video file or of a webcam (its number) with their faces, which are followed and smoothed.

        Args:
            time_constant_s: of the exponential smoothing of probabilities; 0 for none.
            lost_s: a face that is missing for longer starts anew.
            everyone: look for small faces beside large ones and for turned ones too; takes many times as long.

        Raises:
            FerlabError: the video cannot be opened or, after the frames that could be read, ends before its time.
        """
        video = source if isinstance(source, Video) else Video(source)
        tracks = Tracks(time_constant_s, lost_s)
        for frames, error in _batches(video, 1 if video.live else _PICTURES):
            found = self.batch([frame.image for frame in frames], everyone)
            for frame, faces in zip(frames, found, strict=True):
                yield VideoFrame(frame.index, frame.time_s, frame.image, self._followed(frame, faces, tracks))
            if error:
                raise error

    def _followed(self, frame: Frame, faces: list[Face], tracks: Tracks) -> list[Face]:
        whole = np.array([0, 0, frame.image.shape[1], frame.image.shape[0]], float)
        boxes = [face.detection.box if face.detection else whole for face in faces]
        single = np.stack([face.probabilities for face in faces]) if faces else np.zeros((0, K), np.float32)
        numbers, smoothed = tracks.update(frame.time_s, boxes, single)
        return [
            self._face(row, face.detection, number) for row, face, number in zip(smoothed, faces, numbers, strict=True)
        ]

    def _face(self, probabilities: np.ndarray, detection: Detection | None = None, track: int | None = None) -> Face:
        best = int(probabilities.argmax())
        confidence = float(probabilities[best])
        label = EXPRESSIONS[best] if confidence >= self.min_confidence else UNCERTAIN
        return Face(label, confidence, probabilities, detection, track)

    def _probabilities(self, crops: list[np.ndarray]) -> np.ndarray:
        """Crops uint8 [H,W,4] of any sizes -> float32 [N,7]; those of one size go through the model together."""
        out = np.zeros((len(crops), K), np.float32)
        sizes = [crop.shape for crop in crops]
        for size in dict.fromkeys(sizes):
            places = [i for i, other in enumerate(sizes) if other == size]
            for start in range(0, len(places), self.batch_size):
                part = places[start : start + self.batch_size]
                out[part] = self.model(np.stack([crops[i] for i in part]))
        return out if self._factors is None else corrected(out, self._factors)


def _batches(frames: Iterable[Frame], size: int) -> Iterator[tuple[list[Frame], FerlabError | None]]:
    """Up to `size` frames at a time, and with the last of them the error that ended them, if one did."""
    each = iter(frames)
    while True:
        batch: list[Frame] = []
        error: FerlabError | None = None
        try:
            for frame in islice(each, size):
                batch.append(frame)
        except FerlabError as found:
            error = found
        if batch or error:
            yield batch, error
        if error or len(batch) < size:
            return


def _square(image: np.ndarray) -> np.ndarray:
    """The centre square of a picture, since nets squash what is not square, of at most 1024 pixels a side: the model
    would average more of them away at a gigabyte's cost."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    centre = image[top : top + side, left : left + side]
    return centre if side <= _LARGEST else resized(centre, _LARGEST, _LARGEST)
