"""Where a net looks: attribution by face region, from a published study, over drawn faces of each expression."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from ferlab.expressions import EXPRESSIONS
from ferlab.images import SIDE
from ferlab.studies.face_regions import BOXES
from web.tests import portraits

_PERSON = portraits.PEOPLE[2]
_FINE = 5  # px of a drawn face by px of FER2013's
# Where the boxes' author found the eyes' row and the mouth's on FER2013's mean face, and where drawn faces have them.
_EYES, _MOUTH, _DRAWN_EYES, _DRAWN_MOUTH = 17, 37, -0.13, 0.56


def draw(figure: Figure, content: tuple[Mapping[str, Any], bool], colours: dict[str, Any]) -> None:
    """Draw a face for each expression, its regions coloured and numbered by density; 1 is that of a uniform map.

    Args:
        content: expression -> region -> mean density with its interval, as the study's record has them; and narrow.
    """
    densities, narrow = content
    columns = 3 if narrow else 7
    rows = -(-len(EXPRESSIONS) // columns)
    figure.set_size_inches((4.2, 1.72 * rows) if narrow else (8.2, 1.5))
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.axis("off")
    scale = Normalize(0, 2)
    shades = LinearSegmentedColormap.from_list("density", ("#1f5fbf", "#ffffff", "#d9730d"))
    for axes, expression in zip(panels, EXPRESSIONS, strict=False):
        axes.imshow(_face(expression), cmap="gray", vmin=0, vmax=255, interpolation="none")
        axes.set_title(expression, fontsize=9)
        for region, boxes in BOXES.items():
            _region(axes, boxes, densities[expression][region]["mean"], shades, scale)


def _region(axes: Any, boxes: Any, mean: float, shades: Colormap, scale: Normalize) -> None:
    for top, bottom, left, right in boxes:
        corner, width, height = (_FINE * left, _FINE * top), _FINE * (right - left), _FINE * (bottom - top)
        axes.add_patch(Rectangle(corner, width, height, facecolor=shades(scale(mean)), alpha=0.6, edgecolor="none"))
    top, bottom, left, right = boxes[-1]
    middle = _FINE * (left + right) / 2, _FINE * (top + bottom) / 2
    text = axes.text(*middle, f"{mean:.1f}", ha="center", va="center", fontsize=8, color="black")
    text.set_path_effects([withStroke(linewidth=2, foreground="white")])


def _face(expression: str) -> np.ndarray:
    """A drawn face uint8 [S,S] with its eyes and mouth where FER2013's mean face has them."""
    half = (_MOUTH - _EYES) / (_DRAWN_MOUTH - _DRAWN_EYES)
    centre = _EYES - half * _DRAWN_EYES
    picture = portraits.room(_FINE * SIDE, _FINE * SIDE)
    place = (_FINE * SIDE / 2, _FINE * centre)
    portraits.paint(picture, _PERSON, portraits.of(expression), place, _FINE * half)
    return (picture @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
