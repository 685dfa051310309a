"""Pictures in, their faces with an expression each out: detector, crop and exported model in one, without torch."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, overload

import numpy as np

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, K
from ferlab.inference import models
from ferlab.inference.detector import Detection, FaceDetector
from ferlab.inference.everyone import every_face
from ferlab.inference.framing import resized
from ferlab.inference.onnx_model import THREADS, OnnxModel
from ferlab.inference.pictures import Picture, named, rgb
from ferlab.inference.priors import corrected, factors, of_model, shares_of
from ferlab.inference.results import UNCERTAIN, Face, Faces, Pictures, VideoFrame
from ferlab.inference.tracks import LOST_S, TIME_CONSTANT_S, Tracks
from ferlab.inference.turning import crop_of
from ferlab.inference.video import Frame, Video

_SHIPPED = "five_layer_world"
_LARGEST = 1024  # px a side of a picture that is a face
_PICTURES = 16  # that are read, searched and cut out together; a detector's memory grows with them


class Predictor:
    """Faces of pictures and their expressions; several threads may use one, and `with` closes it.

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
        color: of arrays: `rgb`, or `bgr` for blue first, as cv2.imread gives them. Nothing in an array tells.

    Raises:
        FerlabError: no such model, another colour, or a number outside its range.
    """

    def __init__(
        self,
        model: str | Path | OnnxModel | None = None,
        detect: bool = True,
        min_confidence: float | None = None,
        min_score: float | None = None,
        batch_size: int = 64,
        threads: int = THREADS,
        color: Literal["rgb", "bgr"] = "rgb",
        priors: str | Sequence[float] | None = None,
    ):
        self.model = model if isinstance(model, OnnxModel) else OnnxModel.open(models.find(model or _SHIPPED), threads)
        self.min_confidence = self.model.threshold if min_confidence is None else min_confidence
        if not 0 <= self.min_confidence <= 1:
            raise FerlabError(f"min_confidence is {self.min_confidence}; expected a number from 0 to 1")
        if batch_size < 1:
            raise FerlabError(f"batch_size is {batch_size}; expected 1 or more")
        if color not in ("rgb", "bgr"):
            raise FerlabError(f"color is {color!r}; expected rgb or bgr")
        self.detector = FaceDetector(min_score, threads) if detect else None
        self.batch_size, self.color, self.closed = batch_size, color, False
        self.priors = None if priors is None else shares_of(priors)
        self._factors = None if self.priors is None else factors(self.priors, of_model(self.model.sidecar))

    @property
    def provenance(self) -> dict[str, Any]:
        """The model's file name and sha256, the confidence below which labels are withheld, and stated priors."""
        checksum = self.model.sidecar["sha256"]
        found = {"model": self.model.path.name, "sha256": checksum, "min_confidence": self.min_confidence}
        return found if self.priors is None else found | {"priors": self.priors.tolist()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the model and the detector, and so of their memory; later calls raise FerlabError."""
        if not self.closed:
            self.closed = True
            del self.model, self.detector

    @overload
    def __call__(self, image: Picture) -> Faces: ...
    @overload
    def __call__(self, image: list[Any] | tuple[Any, ...]) -> Pictures: ...
    def __call__(self, image: Picture | list[Any] | tuple[Any, ...]) -> Faces | Pictures:
        """Faces of a picture, the most certain face first, or of each picture of a list; otherwise as `batch`."""
        return self.batch(image) if isinstance(image, list | tuple) else self.batch([image])[0]

    def batch(self, images: Iterable[Picture], everyone: bool = True) -> Pictures:
        """Faces of each picture; pictures and faces may be of any sizes, and memory holds a few pictures at a time.

        Args:
            images: paths, PIL images, bytes of image files, files opened with "rb", or arrays uint8 [H,W] or [H,W,1]
                grey, [H,W,3] RGB or [H,W,4] RGBA, or with blue first as `color` says.
            everyone: False looks for small faces only where there is no large one, and for none that are turned, as
                `video` does.

        Raises:
            FerlabError: no readable image, an array of another type or shape, or anything else; or it is closed.
        """
        return self._batch(images, everyone, self.color == "bgr")

    def _batch(self, images: Iterable[Picture], everyone: bool, bgr: bool) -> Pictures:
        if self.closed:
            raise FerlabError("this predictor is closed; make another one")
        each, found = iter(images), Pictures()
        while few := list(islice(each, _PICTURES)):
            pixels = [rgb(image, bgr) for image in few]
            for image, picture, faces in zip(few, pixels, self._few(pixels, everyone), strict=True):
                height, width = picture.shape[:2]
                found.append(Faces(faces, named(image) or f"picture {len(found)}", width, height))
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
            found = self._batch((frame.image for frame in frames), everyone, bgr=False)
            for frame, faces in zip(frames, found, strict=True):
                followed = Faces(self._followed(frame, faces, tracks), video.name, faces.width, faces.height)
                yield VideoFrame(frame.index, frame.time_s, frame.image, followed)
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
