"""Images in, all of their faces out: small ones of large pictures too, and turned ones upright.

A detector sees a picture in 256 pixels a side, so large pictures are searched once more in tiles that overlap. The page
has the same tiles (web/src/everyone.ts), and no turns.
"""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from ferlab.inference.detector import Detection, FaceDetector, same_face
from ferlab.inference.turning import upright

# benchmarks/small_faces.py measures what these give and cost.
TILE = 540  # px; side of the smallest tile, in which a face of 60 px has 28 px for the detector
_TILES = 5  # sides of tiles in the longer side of a picture, at most
_OVERLAP = 0.25  # of a tile's side
_LEAST = 0.55  # score of a face in a tile, where the detector is asked for none: more looks find more that is no face
_CUT = 0.05  # of a box's side, by which it may reach beyond its tile into the rest of the picture


def every_face(detector: FaceDetector, images: Sequence[np.ndarray]) -> list[list[Detection]]:
    """Faces of each image uint8 [H,W,3 or 4], the most certain first: of both ranges and of tiles, turned ones upright.

    Raises:
        FerlabError: as a `FaceDetector` does.
    """
    found = []
    for image, faces in zip(images, detector(images, everyone=True), strict=True):
        everyone = list(faces)
        for face in sorted(_in_tiles(detector, image), key=lambda face: -face.score):
            if not any(_hides(known, face) for known in everyone):
                everyone.append(face)
        found.append(sorted((upright(detector, image, face) for face in everyone), key=lambda face: -face.score))
    return found


def _hides(known: Detection, face: Detection) -> bool:
    """Whether they are one face; a much smaller box that is more certain is another, in what is no face."""
    other = face.score > known.score and face.box[2:].prod() < known.box[2:].prod() / 4
    return same_face(face, known) and not other


def tiles(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Left, top, right and bottom of a picture's tiles; none of a picture that is hardly larger than one."""
    side = max(TILE, math.ceil(max(width, height) / _TILES))
    if max(width, height) < 1.5 * side:
        return []
    spots = product(_starts(height, side), _starts(width, side))
    return [(x, y, min(x + side, width), min(y + side, height)) for y, x in spots]


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    count = math.ceil((length - side * _OVERLAP) / (side * (1 - _OVERLAP)))
    return [math.floor(i * (length - side) / (count - 1) + 0.5) for i in range(count)]  # as JavaScript rounds


def _in_tiles(detector: FaceDetector, image: np.ndarray) -> list[Detection]:
    height, width = image.shape[:2]
    places = tiles(width, height)
    found = []
    looks = detector.look(
        [image[y:bottom, x:right] for x, y, right, bottom in places], "back", detector.min_score or _LEAST
    )
    for (x, y, right, bottom), faces in zip(places, looks, strict=True):
        # A face may reach beyond the picture. One that is cut by another edge of the tile is whole in the next tile.
        start, low = np.array([x, y]), np.array([x or -math.inf, y or -math.inf])
        high = np.array([right if right < width else math.inf, bottom if bottom < height else math.inf])
        for face in faces:
            corner, size = face.box[:2] + start, face.box[2:]
            slack = _CUT * size.max()
            if (corner >= low - slack).all() and (corner + size <= high + slack).all():
                found.append(Detection(np.concatenate([corner, size]), face.score, face.keypoints + start))
    return found
