"""Attribution maps on faces -> the two sheets of `ferlab.explain`: mean maps and single faces."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ferlab.expressions import EXPRESSIONS, K
from ferlab.images import SIDE
from ferlab.pages.sections import Shown, figure, png
from ferlab.studies import face_regions
from ferlab.studies.explanation_page import MEANS, PICTURES, SINGLE

_ZERO = 1e-12
_OPAQUE = np.ones((SIDE, SIDE))
_STEP = SIDE + 3  # from picture to picture on a sheet


Row = Sequence[np.ndarray | None]


@dataclass(frozen=True)
class Maps:
    """Explained faces: pixels uint8 [N,48,48], label and explained class int [N], and maps [N,48,48] by method."""

    pixels: np.ndarray
    labels: np.ndarray
    target: np.ndarray
    by_method: Mapping[str, np.ndarray]

    def of_each(self, n: int) -> "Maps":
        """The first n of each explained class."""
        few = np.concatenate([np.flatnonzero(self.target == k)[:n] for k in range(K)])
        by_method = {name: maps[few] for name, maps in self.by_method.items()}
        return Maps(self.pixels[few], self.labels[few], self.target[few], by_method)


def sheets(maps: Maps, each: int) -> tuple[Shown, dict[str, bytes]]:
    """Both sheets as figures for the page and as PNG files; `each`: single faces of each expression."""
    drawn = {MEANS: (_mean_maps, maps), SINGLE: (_single_faces, maps.of_each(each))}
    figures = {
        name: figure(draw, of, PICTURES[name], kind="png", file=Path(name).stem, wide=True)
        for name, (draw, of) in drawn.items()
    }
    return Shown(figures), {name: png(draw, of) for name, (draw, of) in drawn.items()}


def _mean_maps(drawing: Figure, of: Maps, colours: Mapping[str, Any]) -> None:
    rows, names = [], []
    for k in np.unique(of.target):
        here = of.target == k
        face = of.pixels[here].mean(0)
        # Each face's map counts alike, however large its logit is.
        scales = (np.maximum(np.abs(m[here]).max((1, 2), keepdims=True), _ZERO) for m in of.by_method.values())
        means = ((m[here] / scale).mean(0) for m, scale in zip(of.by_method.values(), scales, strict=True))
        rows.append([_grey(face), *(_over(face, mean) for mean in means)])
        names.append(f"{EXPRESSIONS[k]} ({here.sum()})")
    axes = _sheet(drawing, rows, names, ["mean face", *of.by_method])
    for y in range(len(rows)):
        for top, bottom, left, right in itertools.chain(*face_regions.BOXES.values()):
            down = np.array([top, top, bottom, bottom, top]) + _STEP * y - 0.5
            axes.plot(np.array([left, right, right, left, left]) - 0.5, down, color=colours["second"], linewidth=0.7)


def _single_faces(drawing: Figure, of: Maps, colours: Mapping[str, Any]) -> None:
    rows = [[_grey(face), *(_over(face, m[i]) for m in of.by_method.values())] for i, face in enumerate(of.pixels)]
    pairs = [(EXPRESSIONS[a], EXPRESSIONS[b]) for a, b in zip(of.target, of.labels, strict=True)]
    names = [explained if explained == label else f"{explained}\n(is {label})" for explained, label in pairs]
    _sheet(drawing, rows, names, ["face", *of.by_method])


def _over(face: np.ndarray, values: np.ndarray) -> np.ndarray | None:
    """A map over a faint face, RGB [48,48,3]: red for, blue against, scaled by its own largest value; None of zeros."""
    largest = float(np.abs(values).max())
    if largest < _ZERO:
        return None
    scaled = values / largest
    share = np.clip(np.abs(scaled), 0, 0.75)[..., None]
    mixed = (1 - share) * _grey(face) + share * colormaps["seismic"]((scaled + 1) / 2)[..., :3]
    return np.clip(mixed, 0, 1)  # float32 rounds to just above 1


def _grey(face: np.ndarray) -> np.ndarray:
    return np.repeat(face[..., None] / 255.0, 3, axis=2)


def _sheet(drawing: Figure, rows: Sequence[Row], names: Sequence[str], heads: Sequence[str]) -> Axes:
    """Pictures RGB [48,48,3] in rows and columns, as one image: hundreds of axes would take a minute to draw.

    None stands for a map that is empty. What lies between the pictures is clear, for pages of any colour.
    """
    sheet = np.zeros((_STEP * len(rows), _STEP * len(heads), 4))
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            if picture is not None:
                sheet[_STEP * y : _STEP * y + SIDE, _STEP * x : _STEP * x + SIDE] = np.dstack([picture, _OPAQUE])
    drawing.set_size_inches(0.76 * len(heads) + 1, 0.76 * len(rows) + 0.4)
    axes = drawing.add_subplot()
    for y, row in enumerate(rows):
        for x in (x for x, picture in enumerate(row) if picture is None):
            axes.text(_STEP * x + SIDE / 2, _STEP * y + SIDE / 2, "empty", ha="center", va="center", fontsize=8)
    axes.imshow(sheet, interpolation="nearest")
    axes.set_yticks([_STEP * y + SIDE / 2 for y in range(len(rows))], names, fontsize=8)
    axes.set_xticks(
        [_STEP * x + SIDE / 2 for x in range(len(heads))], [h.replace("_", "\n") for h in heads], fontsize=8
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return axes
