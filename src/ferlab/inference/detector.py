"""Images in, the boxes of their faces in pixels out.

Two BlazeFace graphs (models/face_*.onnx; Bazarevsky et al. 2019, arXiv:1907.05047) give 896 decoded boxes each. This
module alone decides how an image is put into their square, and which boxes are one face. web/ has the same in
TypeScript; tests/golden/detector.json holds the results that both must give.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np
import onnxruntime

from ferlab.errors import FerlabError
from ferlab.inference.framing import resized
from ferlab.inference.onnx_model import THREADS, session_of

Range = Literal["short", "back"]
RANGES: tuple[Range, Range] = ("short", "back")
_LARGE = 0.25  # of an image's longer side; the short range finds few faces that are smaller
# Of a face that fills more of the picture the long range's box is too small, and the crop too narrow: 0.77 of the short
# range's in press photographs (median of 192).
_HUGE = 0.4
_TOGETHER = 16  # images in one call of a graph, whose memory grows by 10 MB an image


@dataclass(frozen=True)
class Detection:
    """A face: box float64 [4] as left, top, width, height and keypoints [6,2] in pixels of the image, score in 0..1.

    The box may reach beyond the image. Keypoints: right eye, left eye, nose tip, mouth, right ear, left ear, of the
    person, so that the right eye is on the image's left. In `np.rot90(image, turn)` the face is upright.
    """

    box: np.ndarray
    score: float
    keypoints: np.ndarray
    turn: int = 0


class FaceDetector:
    """Finds faces: by the short range, and where it finds none by the long one; or all that both find.

    Args:
        min_score: faces below it are none; None takes the models' own threshold.
        threads: of onnxruntime; 0 for all cores.
    """

    def __init__(self, min_score: float | None = None, threads: int = THREADS):
        if min_score is not None and not 0 < min_score < 1:
            raise FerlabError(f"min_score is {min_score}; expected a number between 0 and 1")
        self._models = [_Model(name, threads) for name in RANGES]
        self.min_score = min_score

    def __call__(self, images: Sequence[np.ndarray], everyone: bool = False) -> list[list[Detection]]:
        """Faces of each image uint8 [H,W,3 or 4], RGB, any sizes; the most certain face first.

        Args:
            everyone: run the long range on every image, so that a large face hides no small ones, and the short one too
                where that found no large face, or a huge one, whose box it measures better; three to four times the
                time.

        Raises:
            FerlabError: an image is something else.
        """
        for image in images:
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (3, 4) or image.size == 0:
                raise FerlabError(f"an image is {image.dtype} {image.shape}; expected uint8 [H,W,3] or [H,W,4], RGB")
        first, second = RANGES[::-1] if everyone else RANGES
        found = self.look(images, first)
        left = [i for i, image in enumerate(images) if (_lets_ask_short(found[i], image) if everyone else not found[i])]
        for i, faces in zip(left, self.look([images[i] for i in left], second), strict=True):
            found[i] = _joined(found[i], faces, _HUGE * max(images[i].shape[:2]))
        return [sorted(faces, key=lambda face: -face.score) for faces in found]

    def look(
        self, images: Sequence[np.ndarray], range_: Range, min_score: float | None = None
    ) -> list[list[Detection]]:
        """Faces of each image by one range alone, the most certain first; None takes the detector's own least score."""
        least = self.min_score if min_score is None else min_score
        return self._models[RANGES.index(range_)](images, least) if images else []


def _lets_ask_short(faces: Sequence[Detection], image: np.ndarray) -> bool:
    """Whether the short range may know better than the long one, which found these faces."""
    largest = max((face.box[2:].max() for face in faces), default=0) / max(image.shape[:2])
    return bool(largest < _LARGE or largest >= _HUGE)


def _joined(faces: Sequence[Detection], others: Sequence[Detection], huge: float) -> list[Detection]:
    """Faces of one range with those of the other that are new, or that are one of `huge` pixels, which they replace."""
    kept = [
        face for face in faces if not (face.box[2:].max() >= huge and any(same_face(face, other) for other in others))
    ]
    return kept + [other for other in others if not any(same_face(other, face) for face in kept)]


def same_face(one: Detection, other: Detection) -> bool:
    """Whether detections of two looks are one face: more than half of the smaller box lies in the larger one."""
    low, high = (
        np.maximum(one.box[:2], other.box[:2]),
        np.minimum(one.box[:2] + one.box[2:], other.box[:2] + other.box[2:]),
    )
    return bool(np.maximum(high - low, 0).prod() > min(one.box[2:].prod(), other.box[2:].prod()) / 2)


class _Settings(NamedTuple):
    """Pixels a side of the graph's square, the least score of a face, and the overlap from which two boxes are one."""

    side: int
    score_threshold: float
    overlap_threshold: float


class _Model:
    def __init__(self, name: str, threads: int):
        self.name, self.threads = name, threads

    @cached_property
    def settings(self) -> _Settings:
        stated = json.loads(_file(f"face_{self.name}.json"))
        return _Settings(**{key: stated[key] for key in _Settings._fields})

    @cached_property
    def session(self) -> onnxruntime.InferenceSession:
        return session_of(_file(f"face_{self.name}.onnx"), self.threads)

    def __call__(self, images: Sequence[np.ndarray], min_score: float | None) -> list[list[Detection]]:
        least = self.settings.score_threshold if min_score is None else min_score
        each, out = iter(images), []
        while few := list(islice(each, _TOGETHER)):
            boxes, keypoints, scores = self._outputs(np.stack([letterbox(image, self.settings.side) for image in few]))
            for image, box, points, score in zip(few, boxes, keypoints, scores, strict=True):
                faces = merge(box, points, score, least, self.settings.overlap_threshold)
                out.append([_in_pixels(face, image.shape[1], image.shape[0], self.settings.side) for face in faces])
        return out

    def _outputs(self, squares: np.ndarray) -> list[np.ndarray]:
        outputs = self.session.run(["boxes", "keypoints", "scores"], {"rgba": squares})
        if not all(np.isfinite(values).all() for values in outputs):
            raise FerlabError(
                f"the detector models/face_{self.name}.onnx gives no finite numbers; install ferlab again"
            )
        return outputs


def _file(name: str) -> bytes:
    try:
        return (resources.files("ferlab.inference.models") / name).read_bytes()
    except OSError as error:
        raise FerlabError(f"the package lacks models/{name} ({error.strerror}); install ferlab again") from None


def placed(width: int, height: int, side: int) -> tuple[int, int, int, int]:
    """Left, top, width and height that an image takes, whole and centred, in a square."""
    longest = max(width, height)
    w, h = max((width * side + longest // 2) // longest, 1), max((height * side + longest // 2) // longest, 1)
    return (side - w) // 2, (side - h) // 2, w, h


def letterbox(image: np.ndarray, side: int) -> np.ndarray:
    """An image uint8 [H,W,3 or 4] in a black square, as RGBA uint8 [side,side,4]."""
    left, top, width, height = placed(image.shape[1], image.shape[0], side)
    out = np.zeros((side, side, 4), np.uint8)
    out[..., 3] = 255
    out[top : top + height, left : left + width, :3] = resized(image[..., :3], width, height)
    return out


def merge(
    boxes: np.ndarray, keypoints: np.ndarray, scores: np.ndarray, min_score: float, min_overlap: float
) -> list[Detection]:
    """Boxes [A,4] and keypoints [A,6,2] of one image -> its faces, by MediaPipe's weighted non-maximum suppression.

    The most certain box and all that overlap it (intersection over union above `min_overlap`) are one face: their mean,
    weighted by score, with the score of the most certain. Then the most certain of the rest, and so on. Boxes that are
    not finite or have no size are left out.
    """
    numbers = np.isfinite(boxes).all(1) & np.isfinite(keypoints).all((1, 2)) & np.isfinite(scores)
    good = numbers & (scores >= min_score) & (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
    index = np.flatnonzero(good)
    index = index[np.argsort(-scores[index], kind="stable")]
    box, points, score = (values[index].astype(np.float64) for values in (boxes, keypoints, scores))
    faces = []
    while len(score):
        together = overlap(box[0], box) > min_overlap
        together[0] = True  # also where a box is thinner than rounding, so that it does not overlap itself
        weight = score[together] / score[together].sum()
        merged = np.einsum("n,nv->v", weight, box[together]), np.einsum("n,npv->pv", weight, points[together])
        faces.append(Detection(merged[0], float(score[0]), merged[1]))
        box, points, score = box[~together], points[~together], score[~together]
    return faces


def overlap(one: np.ndarray, many: np.ndarray) -> np.ndarray:
    """Intersection over union of a box [4] with boxes [N,4]."""
    low = np.maximum(one[:2], many[:, :2])
    high = np.minimum(one[:2] + one[2:], many[:, :2] + many[:, 2:])
    shared = np.maximum(high - low, 0).prod(1)
    return shared / (one[2:].prod() + many[:, 2:].prod(1) - shared)


def _in_pixels(face: Detection, width: int, height: int, side: int) -> Detection:
    """From 0..1 of the square to pixels of the image that was put in it."""
    left, top, w, h = placed(width, height, side)
    scale = np.array([width / w, height / h])
    corner, size = (face.box[:2] * side - (left, top)) * scale, face.box[2:] * side * scale
    return Detection(np.concatenate([corner, size]), face.score, (face.keypoints * side - (left, top)) * scale)
