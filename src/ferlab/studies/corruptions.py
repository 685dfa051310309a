"""Faces uint8 [N,48,48] -> the same faces under a bad camera, bad light or an obstacle.

After Hendrycks and Dietterich 2019 (arXiv:1903.12261): corruptions in five strengths. A face's own pixels and the name
of the corruption seed its random draws (which way it tilts, its noise, where the hand lies). They are the same in any
order, subset or batch, and at every strength, so that a face only ever gets worse.
"""

import zlib
from collections.abc import Callable

import cv2
import numpy as np

from ferlab.errors import FerlabError
from ferlab.images import SIDE

STRENGTHS = (1, 2, 3, 4, 5)

# The parameter of each strength. We set them by eye: 1 is hardly visible, and at 5 people begin to guess.
_LIGHT = (0.7, 0.5, 0.35, 0.22, 0.12)  # share of the light that is left; the camera still has 256 levels
_CONTRAST = (0.75, 0.55, 0.4, 0.28, 0.18)  # share of the distance from the face's mean that is left
_TILT_DEG = (6, 12, 20, 30, 40)
_BLUR_SIGMA_PX = (0.5, 0.8, 1.2, 1.8, 2.6)
_MOTION_PX = (3, 5, 7, 9, 13)
_NOISE_STD = (8, 16, 26, 40, 60)  # grey levels
_JPEG_QUALITY = (50, 30, 18, 10, 5)
_SIDE_PX = (32, 24, 18, 13, 9)  # side that the face is shrunk to
_MASK_TOP = (38, 34, 31, 28, 24)  # row from which a mask covers the face; 31 is under the nose of FER2013's mean face
_LENS_PX = (3, 4, 5, 6, 7)  # half the width of a lens
_HAND_REACH = (0.15, 0.25, 0.35, 0.45, 0.58)  # share of the width that a hand from the side covers


def corrupt(pixels: np.ndarray, name: str, strength: int) -> np.ndarray:
    """Faces uint8 [N,48,48] under the corruption called `name` (a key of `CORRUPTIONS`) at a strength of 1 to 5.

    Raises:
        FerlabError: an unknown corruption or strength.
    """
    if name not in CORRUPTIONS:
        raise FerlabError(f"corruption is {name!r}; choose {', '.join(CORRUPTIONS)}")
    if strength not in STRENGTHS:
        raise FerlabError(f"strength is {strength!r}; choose {', '.join(map(str, STRENGTHS))}")
    out = np.empty((len(pixels), SIDE, SIDE), np.uint8)
    for i, face in enumerate(pixels):
        face = np.ascontiguousarray(face)
        rng = np.random.default_rng([zlib.crc32(face.tobytes()), zlib.crc32(name.encode())])
        out[i] = CORRUPTIONS[name](face, strength - 1, rng)
    return out


def _dim_light(face: np.ndarray, s: int, rng: np.random.Generator) -> np.ndarray:
    return cv2.convertScaleAbs(face, alpha=_LIGHT[s])


def _low_contrast(face: np.ndarray, s: int, rng: np.random.Generator) -> np.ndarray:
    return cv2.convertScaleAbs(face, alpha=_CONTRAST[s], beta=(1 - _CONTRAST[s]) * float(face.mean()))


def _tilt(face: np.ndarray, s: int, rng: np.random.Generator) -> np.ndarray:
    centre = (SIDE - 1) / 2
    turn = cv2.getRotationMatrix2D((centre, centre), _TILT_DEG[s] * rng.choice((-1, 1)), 1.0)
    return cv2.warpAffine(face, turn, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _blur(face: np.ndarray, s: int, rng: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(face, (0, 0), _BLUR_SIGMA_PX[s])


def _motion_blur(face: np.ndarray, s: int, rng: np.random.Generator) -> np.ndarray:
    """The mean along a line: a head or a camera that moves while the shutter is open."""
    size = _MOTION_PX[s]
    line, centre, angle = np.zeros((size, size), np.uint8), size // 2, rng.uniform(0, np.pi)
    reach = centre * np.array([np.cos(angle), np.sin(angle)])
    start, end = ([round(float(centre + sign * r)) for r in reach] for sign in (-1, 1))
    cv2.line(line, start, end, 1)
    return cv2.filter2D(face, -1, line.astype(np.float32) / line.sum(), borderType=cv2.BORDER_REPLICATE)


def _noise(face: np.ndarray, s: int, rng: np.random.Generator) -> np.ndarray:
    return np.clip(np.rint(face + _NOISE_STD[s] * rng.standard_normal((SIDE, SIDE))), 0, 255).astype(np.uint8)


def _jpeg(face: np.ndarray, s: int, rng: np.random.Generator) -> np.ndarray:
    _, content = cv2.imencode(".jpg", face, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY[s]))
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE))


def _low_resolution(face: np.ndarray, s: int, rng: np.random.Generator) -> np.ndarray:
    small = cv2.resize(face, (_SIDE_PX[s], _SIDE_PX[s]), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)


def _mask(face: np.ndarray, s: int, rng: np.random.Generator) -> np.ndarray:
    """A light mask from below: over the chin, the mouth, and at last the nose."""
    top, dx = _MASK_TOP[s], int(rng.integers(-1, 2))
    edge = [(6, top + 3), (24, top), (42, top + 3), (38, SIDE + 4), (10, SIDE + 4)]
    return _filled(face, [np.array([(x + dx, y) for x, y in edge])], int(rng.integers(170, 225)))


def _glasses(face: np.ndarray, s: int, rng: np.random.Generator) -> np.ndarray:
    """Dark glasses over the eyes of FER2013's mean face (row 17, columns 15 and 33), from small to very large ones."""
    out, half, dx, shade = face.copy(), _LENS_PX[s], int(rng.integers(-1, 2)), int(rng.integers(10, 50))
    for x in (15 + dx, 33 + dx):
        cv2.ellipse(out, (x, 17), (half + 1, half), 0, 0, 360, shade, thickness=-1)
    cv2.line(out, (15 + dx, 16), (33 + dx, 16), shade, thickness=1)
    return out


def _hand(face: np.ndarray, s: int, rng: np.random.Generator) -> np.ndarray:
    """Four fingers of skin grey from one side, over more and more of the face."""
    reach, right = _HAND_REACH[s] * SIDE, bool(rng.integers(2))
    row, shade = int(rng.integers(18, 30)), float(np.clip(face.mean() + rng.uniform(-25, 25), 40, 215))
    out = np.ascontiguousarray(face[:, ::-1]) if right else face.copy()
    for finger, length in enumerate((0.85, 1.0, 0.95, 0.75)):
        y, tip = row + 7 * finger - 7, round(length * reach) - 3
        cv2.line(out, (-4, y), (tip, y), int(shade * (0.94 + 0.04 * (finger % 2))), thickness=6)
    return out[:, ::-1] if right else out


def _filled(face: np.ndarray, polygons: list[np.ndarray], shade: int) -> np.ndarray:
    out = face.copy()
    cv2.fillPoly(out, polygons, shade)
    return out


CORRUPTIONS: dict[str, Callable[[np.ndarray, int, np.random.Generator], np.ndarray]] = {
    "dim_light": _dim_light,
    "low_contrast": _low_contrast,
    "tilt": _tilt,
    "blur": _blur,
    "motion_blur": _motion_blur,
    "noise": _noise,
    "jpeg": _jpeg,
    "low_resolution": _low_resolution,
    "mask": _mask,
    "glasses": _glasses,
    "hand": _hand,
}
