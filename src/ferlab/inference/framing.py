"""A face's box and keypoints in, the upright square of its picture that a classifier takes out.

This module alone decides which part of a picture is cut out, and how pixels are resized. web/src/framing.ts has the
same; tests/golden/framing.json holds the results that both must give.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np

CROP_SIDE = 96  # twice a face's side in the data, so that the model's own resizing decides
# Up to this tilt, which many heads have in FER2013, labels are as good as of levelled faces: a crop keeps it.
# benchmarks/faces_in_scenes.py measures what levelling gives.
KEPT_TILT = math.radians(10)
_LEAST_EYES = 0.25  # distance of the eyes by the longer side of the box; below it (a profile) their line tells nothing


def resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Averaged where it shrinks, so that nothing is skipped; bilinear where it grows."""
    shrinks = width * height < image.shape[0] * image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def square(box: Sequence[float] | np.ndarray, side_ratio: float, raise_ratio: float) -> tuple[int, int, int]:
    """Left, top and side in whole pixels of the square that frames a face as the data frame it.

    Args:
        box: left, top, width, height.
        side_ratio: side of the square by the longer side of the box.
        raise_ratio: how far its centre stands above the box's, by the height of the box.
    """
    left, top, width, height = box
    side = max(int(np.floor(side_ratio * max(width, height) + 0.5)), 1)
    x, y = left + width / 2 - side / 2, top + height / 2 - raise_ratio * height - side / 2
    return int(np.floor(x + 0.5)), int(np.floor(y + 0.5)), side


def excess_tilt(box: Sequence[float] | np.ndarray, keypoints: np.ndarray) -> float:
    """Radians, clockwise, of a face's tilt beyond the one that its crop keeps; 0 where the eyes do not tell.

    The line through the eyes is level in an upright face. Only the excess is taken out, so that a face which moves
    about the limit makes no jumps.

    Args:
        box: left, top, width, height.
        keypoints: [6,2] of a `Detection`.
    """
    x, y = (keypoints[1] - keypoints[0]).tolist()
    if not math.hypot(x, y) >= _LEAST_EYES * max(box[2], box[3]):  # NaN too
        return 0.0
    tilt = math.atan2(y, x)
    return math.copysign(max(abs(tilt) - KEPT_TILT, 0.0), tilt)


def crop(
    image: np.ndarray, box: Sequence[float] | np.ndarray, side_ratio: float, raise_ratio: float, tilt: float = 0.0
) -> np.ndarray:
    """The face in a box of an image uint8 [H,W,3 or 4] as RGBA uint8 [96,96,4]; outside, the image's rim goes on.

    Args:
        box, side_ratio, raise_ratio: as in `square`.
        tilt: clockwise in radians, which is taken out: the square stands about the same centre, and is turned.
    """
    out = np.full((CROP_SIDE, CROP_SIDE, 4), 255, np.uint8)
    if tilt:
        out[..., :3] = _levelled(image, box, side_ratio, raise_ratio, tilt)
    else:
        out[..., :3] = resized(_part(image, *square(box, side_ratio, raise_ratio)), CROP_SIDE, CROP_SIDE)
    return out


def _levelled(
    image: np.ndarray, box: Sequence[float] | np.ndarray, side_ratio: float, raise_ratio: float, tilt: float
) -> np.ndarray:
    """The upright square around the turned one, resized by what the turned one needs; then turned, bilinear."""
    left, top, width, height = box
    cos, sin = math.cos(tilt), math.sin(tilt)
    side = side_ratio * max(width, height)
    x, y = left + width / 2 + sin * raise_ratio * height, top + height / 2 - cos * raise_ratio * height
    grown = abs(cos) + abs(sin)
    whole, pixels = max(math.floor(side * grown + 0.5), 1), math.floor(CROP_SIDE * grown + 0.5)
    x0, y0 = math.floor(x - whole / 2 + 0.5), math.floor(y - whole / 2 + 0.5)
    around = resized(_part(image, x0, y0, whole), pixels, pixels)
    across = ((np.arange(CROP_SIDE) + 0.5) / CROP_SIDE - 0.5) * side
    down, scale = across[:, None], pixels / whole
    return _bilinear(
        around,
        (x + cos * across - sin * down - x0) * scale - 0.5,
        (y + sin * across + cos * down - y0) * scale - 0.5,
    )


def _part(image: np.ndarray, left: int, top: int, side: int) -> np.ndarray:
    """A square of an image uint8 [H,W,3 or 4] as uint8 [side,side,3]; outside, the image's rim goes on."""
    height, width = image.shape[:2]
    # One row and column of the image at least, wherever the square lies.
    x0, y0 = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    x1, y1 = min(max(left + side, x0 + 1), width), min(max(top + side, y0 + 1), height)
    above, below, before, after = (max(n, 0) for n in (y0 - top, top + side - y1, x0 - left, left + side - x1))
    whole = cv2.copyMakeBorder(image[y0:y1, x0:x1, :3], above, below, before, after, cv2.BORDER_REPLICATE)
    return whole[:side, :side]


def _bilinear(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Values uint8 [...,3] of an image uint8 [H,W,3] at x and y [...], where pixel n is at n.

    OpenCV's remap rounds x and y to 1/32 of a pixel, which is up to four grey levels beside what a browser computes.
    """
    height, width = image.shape[:2]
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, low = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]
    upper = image[top, left] * (1 - across) + image[top, right] * across
    lower = image[low, left] * (1 - across) + image[low, right] * across
    return np.rint(upper * (1 - down) + lower * down).astype(np.uint8)
