"""Faces that lie or stand on their head: found as such, and cut out upright.

A detector finds faces that are turned by 90 or 180 degrees too, but mostly gives the keypoints of an upright one. It is
surer of an upright face, so each face of which it is unsure is shown to it in four turns.
"""

import numpy as np

from ferlab.inference.detector import Detection, FaceDetector
from ferlab.inference.framing import crop, excess_tilt
from ferlab.inference.onnx_model import Margin

# benchmarks/small_faces.py measures what these give and cost.
_SURE = 0.8  # score from which a face is upright
_TURNED = 0.7  # least score of a face in another turn, and
_SURER = 0.1  # by how much it must be higher than that of the upright one
_AROUND = 2.2  # side of what is shown, by the longer side of the box
_LEAST = 0.05  # score of a turned face, to be compared


def upright(detector: FaceDetector, image: np.ndarray, face: Detection) -> Detection:
    """A face of an image uint8 [H,W,3 or 4], as it is found in another turn where the detector is surer of it there."""
    if face.score >= _SURE:
        return face
    side = max(round(_AROUND * face.box[2:].max()), 2)
    corner = np.rint(face.box[:2] + face.box[2:] / 2 - side / 2).astype(int)
    inside = zip(corner, image.shape[1::-1], strict=True)
    columns, rows = (np.clip(np.arange(start, start + side), 0, size - 1) for start, size in inside)
    around = image[rows[:, None], columns]
    looks = detector.look([np.rot90(around, turn) for turn in range(4)], "short", _LEAST)
    scores = [max((one.score for one in faces if _in_the_middle(one, side)), default=0.0) for faces in looks]
    turn = int(np.argmax(scores))
    if scores[turn] < max(_TURNED, scores[0] + _SURER):
        return face
    one = next(one for one in looks[turn] if one.score == scores[turn] and _in_the_middle(one, side))
    box, points = turned_box(one.box, (side, side), -turn), turned(one.keypoints, (side, side), -turn)
    return Detection(box + np.concatenate([corner, [0, 0]]), max(one.score, face.score), points + corner, turn)


def _in_the_middle(face: Detection, side: int) -> bool:
    return bool(np.abs(face.box[:2] + face.box[2:] / 2 - side / 2).max() < side / 4)


def crop_of(image: np.ndarray, face: Detection, margin: Margin) -> np.ndarray:
    """The face as `crop` cuts it out of the image uint8 [H,W,3 or 4], upright by its quarter turns and its tilt."""
    size = image.shape[1], image.shape[0]
    box, points = turned_box(face.box, size, face.turn), turned(face.keypoints, size, face.turn)
    return crop(np.rot90(image, face.turn), box, *margin, excess_tilt(box, points))


def turned(points: np.ndarray, size: tuple[int, int], turn: int) -> np.ndarray:
    """Points [N,2] of an image of `size` (width, height) where `np.rot90(image, turn)` has them."""
    width, height = size
    for _ in range(turn % 4):
        points = np.stack([points[:, 1], width - points[:, 0]], 1)
        width, height = height, width
    return points


def turned_box(box: np.ndarray, size: tuple[int, int], turn: int) -> np.ndarray:
    """A box (left, top, width, height) of an image of `size` where `np.rot90(image, turn)` has it."""
    corners = turned(np.stack([box[:2], box[:2] + box[2:]]), size, turn)
    return np.concatenate([corners.min(0), np.ptp(corners, 0)])
