"""The way of a face through the shipped model, from a picture of drawn people to seven probabilities."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from ferlab.expressions import EXPRESSIONS
from ferlab.images import SIDE
from ferlab.inference.predictor import Face, Predictor
from ferlab.inference.turning import crop_of
from web.tests import portraits

_SECONDS = 0.0  # of the scene
_CHOSEN = "#ffb45e"  # of the face that goes on, over the photo
# Size and places (left, bottom, width, height) in inches; on a telephone the narrow one's letters are legible.
_WIDE = {
    "size": (9.6, 2.6),
    "places": {
        "photo": (0.05, 0.05, 3.0, 2.25),
        "crop": (3.45, 0.55, 1.3, 1.3),
        "input": (5.15, 0.55, 1.3, 1.3),
        "net": (6.85, 0.4, 1.15, 1.6),
        "bars": (8.75, 0.25, 0.8, 1.85),
    },
}
_NARROW = {
    "size": (4.2, 4.7),
    "places": {
        "photo": (0.05, 2.5, 2.56, 1.92),
        "crop": (3.0, 3.5, 0.95, 0.95),
        "input": (3.0, 2.2, 0.95, 0.95),
        "net": (0.2, 0.15, 1.3, 1.6),
        "bars": (2.75, 0.05, 1.3, 1.75),
    },
}
_ARROWS = (((3.1, 1.2), (3.4, 1.2)), ((4.8, 1.2), (5.1, 1.2)), ((6.5, 1.2), (6.8, 1.2)), ((8.0, 1.2), (8.2, 1.2)))
_ARROWS_NARROW = (
    ((2.66, 3.95), (2.95, 3.95)),
    ((3.47, 3.48), (3.47, 3.33)),
    ((2.95, 2.4), (1.2, 2.05)),
    ((1.6, 0.95), (1.95, 0.95)),
)
_TITLES = {
    "photo": "every face is found",
    "crop": "cut out upright",
    "input": f"{SIDE} × {SIDE}, grey",
    "net": "five layers",
    "bars": "probabilities, %",
}
_LAYERS = (
    (1.0, 0.10),
    (0.74, 0.20),
    (0.5, 0.3),
    (0.3, 0.42),
    (0.8, 0.06),
    (0.5, 0.06),
)  # height and width of each block


@dataclass(frozen=True)
class Way:
    """A face on its way.

    Attributes:
        photo: uint8 [H,W,3], with `faces` in it; `one` of them goes on.
        crop: what is cut out, uint8 [S,S,3], and `small`, what the net gets, uint8 [48,48].
    """

    photo: np.ndarray
    faces: list[Face]
    one: Face
    crop: np.ndarray
    small: np.ndarray


def way() -> Way:
    """The leftmost face of the drawn people, read by the default model."""
    photo = portraits.three(_SECONDS)
    predictor = Predictor()
    faces = predictor(photo)
    one = min(faces, key=lambda face: face.detection.box[0])
    crop = crop_of(photo, one.detection, predictor.model.margin)[..., :3]
    grey = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return Way(photo, faces, one, crop, grey)


def draw(figure: Figure, content: tuple[Way, bool], colours: dict[str, Any]) -> None:
    """Draw the five stations in a row, or narrow in two rows."""
    of, narrow = content
    size, places = (_NARROW if narrow else _WIDE).values()
    figure.set_layout_engine("none")
    figure.set_size_inches(size)
    panels = {}
    for name, (left, bottom, width, height) in places.items():
        panels[name] = figure.add_axes((left / size[0], bottom / size[1], width / size[0], height / size[1]))
        panels[name].set_title(_TITLES[name], fontsize=9, loc="right" if name == "bars" else "center")
    _photo(panels["photo"], of, colours)
    _face(panels["crop"], cv2.resize(of.crop, (160, 160), interpolation=cv2.INTER_AREA))
    _face(panels["input"], of.small)
    _net(panels["net"], colours)
    _bars(panels["bars"], of.one, colours)
    for left, right in _ARROWS_NARROW if narrow else _ARROWS:
        arrow = FancyArrowPatch(left, right, arrowstyle="->", mutation_scale=12, color=colours["ink"], linewidth=1.2)
        arrow.set_transform(figure.dpi_scale_trans)
        figure.add_artist(arrow)


def _photo(axes: Axes, of: Way, colours: dict[str, Any]) -> None:
    axes.imshow(cv2.resize(of.photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), interpolation="none")
    for face in of.faces:
        x, y, w, h = face.detection.box / 2
        ink = _CHOSEN if face is of.one else "white"
        axes.add_patch(Rectangle((x, y), w, h, fill=False, edgecolor=ink, linewidth=1.8))
        axes.text(
            x + w / 2,
            y - 6,
            face.label,
            ha="center",
            fontsize=8,
            color="black",
            bbox={"facecolor": ink, "edgecolor": "none", "pad": 1.5},
        )
    axes.axis("off")


def _face(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="none")
    axes.axis("off")


def _net(axes: Axes, colours: dict[str, Any]) -> None:
    """Three stages of convolution, each smaller and deeper, then what is fully connected."""
    x = 0.0
    for height, width in _LAYERS:
        block = Rectangle((x, -height / 2), width, height, facecolor=colours["first"], alpha=0.75, edgecolor="none")
        axes.add_patch(block)
        x += width + 0.09
    axes.set(xlim=(-0.05, x), ylim=(-0.85, 0.85))
    axes.axis("off")


def _bars(axes: Axes, face: Face, colours: dict[str, Any]) -> None:
    shares = 100 * face.probabilities
    places = np.arange(len(EXPRESSIONS))[::-1]
    best = int(shares.argmax())
    inks = [colours["second"] if k == best else colours["first"] for k in range(len(shares))]
    axes.barh(places, np.rint(shares), color=inks, height=0.7)
    for place, share in zip(places, shares, strict=True):
        axes.text(np.rint(share) + 2, place, f"{share:.0f}", va="center", fontsize=8)
    axes.set_yticks(places, EXPRESSIONS, fontsize=8)
    axes.set_xticks([])
    axes.set_xlim(0, 118)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
