"""A seed in, drawn faces out: a data set for demos and tests that need no photographs.

The faces are 48x48 grey drawings (`drawn_figure`) that differ in shape, pose, light and sharpness and show the
expression more or less strongly.
"""

import cv2
import numpy as np

from ferlab.data.drawn_figure import Dice, Figure
from ferlab.data.faces import Faces, hard_targets
from ferlab.data.uniforms import face_keys, uniforms
from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.images import SIDE

# FER2013's Training split: as few disgusted faces here as there.
_SHARES = np.array([3995, 436, 4097, 7215, 4830, 3171, 4965]) / 28_709

_FINE = 4  # drawn this many times finer, then averaged
_SUBPIXEL = 3  # cv2's drawing takes coordinates in 1/8 px
_COLUMNS = np.arange(1, 201)  # more uniforms a face than are used


def draw(n_train: int, n_val: int, n_test: int, seed: int) -> Faces:
    """Faces of three splits, each with FER2013's shares of the classes.

    A face depends on the seed, its split and its place in the split, so no two are one drawing.

    Raises:
        FerlabError: a split with fewer faces than there are expressions.
    """
    counts = {"n_train": n_train, "n_val": n_val, "n_test": n_test}
    for name, n in counts.items():
        if n < K:
            raise FerlabError(f"{name} is {n}; drawn faces need at least {K} a split, one of each expression")
    split = np.repeat(np.arange(3), list(counts.values())).astype(np.uint8)
    labels = np.concatenate([_labels(n, np.random.default_rng([seed, k])) for k, n in enumerate(counts.values())])
    pixels = np.empty((len(split), SIDE, SIDE), np.uint8)
    for k, n in enumerate(counts.values()):
        place = np.flatnonzero(split == k)
        for part in np.array_split(np.arange(n), -(-n // 1000)):  # all shapes of 1,000 faces at once take 30 MB
            u, keys = uniforms(part, k, seed, _COLUMNS), face_keys(part, k, seed)
            pixels[place[part]] = _photographs(Dice(u), labels[place[part]], keys)
    number = np.arange(len(split), dtype=np.int32)
    return Faces(pixels, hard_targets(labels), split, number, number.copy())


def _labels(n: int, rng: np.random.Generator) -> np.ndarray:
    """n class indices with FER2013's shares, at least one of each, in random order."""
    counts = np.maximum(1, np.floor(_SHARES * n)).astype(int)
    while counts.sum() != n:
        step = np.sign(n - counts.sum())
        counts[np.argmax(step * (_SHARES * n - counts))] += step
    return rng.permutation(np.repeat(np.arange(K), counts))


def _photographs(dice: Dice, labels: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Drawn, lit, blurred and made grainy: uint8 [N,48,48]."""
    figure = Figure(dice, labels)
    figure.face()
    figure.hand()
    shapes, tones = _posed(dice, figure.shapes), figure.tones
    background = dice(15, 235)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    angle, slope, dark = dice(0, 2 * np.pi), dice(0, 0.45), dice(-0.15, 0.3)
    contrast, lift = dice(0.6, 1.2), dice(-30, 30)
    blur, grain = dice(0.3, 1.05), dice(1, 12) * contrast * figure.skin / 215  # dark faces drown in less
    out = np.empty((len(labels), SIDE, SIDE), np.uint8)
    canvas = np.empty((SIDE * _FINE, SIDE * _FINE), np.uint8)
    for i, key in enumerate((keys & (2**63 - 1)).tolist()):
        canvas[:] = int(background[i])
        _paint(canvas, shapes, tones, i)
        face = cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        light = 1 + slope[i] * (np.cos(angle[i]) * x + np.sin(angle[i]) * y) - dark[i] * (x * x + y * y) / 2
        face = (cv2.GaussianBlur(face, (0, 0), blur[i]) * light - 128) * contrast[i] + 128 + lift[i]
        noise = np.random.Generator(np.random.SFC64(key)).standard_normal((SIDE, SIDE), np.float32)
        out[i] = np.clip(face + grain[i] * noise + 0.5, 0, 255)
    return out


def _posed(dice: Dice, shapes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Turn, nod, roll, zoom and shift the heads: face coordinates -> canvas coordinates in 1/8 px, int32 [N,P,2]."""
    yaw, nod = dice.bell(0, 0.065)[:, None], dice.bell(0, 0.045)[:, None]
    roll, size = np.deg2rad(dice.bell(0, 6))[:, None], dice(0.40, 0.55)[:, None]
    shift_x, shift_y, tall = dice.bell(0, 0.028)[:, None], dice.bell(0, 0.028)[:, None], dice(0.94, 1.06)[:, None]
    cos, sin, canvas = np.cos(roll) * size, np.sin(roll) * size, SIDE * _FINE * 2**_SUBPIXEL
    out = {}
    for name, points in shapes.items():
        x, y = points[..., 0], points[..., 1] * tall
        near = np.clip(1 - x * x - 0.6 * y * y, 0, 1)  # what lies in front moves most when the head turns
        x, y = x + yaw * near * 1.5, y + nod * near * 1.5
        posed = np.stack([cos * x - sin * y + 0.5 + shift_x, sin * x + cos * y + 0.5 + shift_y], -1)
        out[name] = np.ascontiguousarray(np.rint(posed * canvas).astype(np.int32))
    return out


def _paint(canvas: np.ndarray, shapes: dict[str, np.ndarray], tones: dict[str, np.ndarray], i: int) -> None:
    """Face i onto the canvas uint8 [S,S]: shapes named `... line` as lines, the others filled."""
    for name, points in shapes.items():
        tone = float(tones[name][i])
        if name.endswith("line"):
            cv2.polylines(canvas, [points[i]], False, tone, 3, cv2.LINE_8, _SUBPIXEL)
        else:
            cv2.fillPoly(canvas, [points[i]], tone, cv2.LINE_8, _SUBPIXEL)
