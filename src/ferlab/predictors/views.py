"""Views of a face, and the named sets of views that `tta` takes. No torch: pages and cards read titles from here.

A view is a fixed variant of a face. `warping` makes it; `predictor` averages the probabilities over a set of views.
"""

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from ferlab.errors import FerlabError

# How the views' answers are averaged: as they are, or as logits, which is the mean of their logarithms, normalised.
SPACES = ("probability", "logit")


class View(NamedTuple):
    """One variant of a face: mirrored first, then turned and zoomed about its centre, then shifted.

    Attributes:
        mirror: left and right exchanged.
        shift_px: (x, y) in pixels, to the right and down.
        zoom: above 1 enlarges the face.
        rotate_deg: degrees counter-clockwise as seen.
    """

    mirror: bool = False
    shift_px: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    rotate_deg: float = 0.0


def _mirrored_too(poses: Sequence[tuple[tuple[float, float], float, float]]) -> tuple[View, ...]:
    return tuple(View(mirror, *pose) for pose in poses for mirror in (False, True))


# shift_px, zoom, rotate_deg. Each is used mirrored and not, so a turn to one side also stands for the other. All lie
# inside the poster's training augmentation (10 %, 10 degrees): a view the net never met only adds noise to the mean.
_POSES = (
    ((0.0, 0.0), 1.0, 0.0),
    ((0.0, 0.0), 1.1, 0.0),
    ((0.0, 0.0), 1.0, 8.0),
    ((2.0, 2.0), 1.0, 0.0),
    ((-2.0, -2.0), 1.05, -4.0),
    ((0.0, -2.0), 0.95, 4.0),
    ((2.0, -2.0), 1.0, 0.0),
    ((0.0, 0.0), 0.92, 0.0),
    ((-2.0, 2.0), 1.05, 4.0),
    ((3.0, 0.0), 1.0, -6.0),
    ((0.0, 3.0), 1.1, -8.0),
    ((-1.0, -3.0), 1.05, 10.0),
)


def _posters_eight() -> tuple[View, ...]:
    """The poster's: the mirrored face and seven draws of its training augmentation, which mirrors every other one.

    Khanzada, Bai & Celepcikay 2020 (arXiv:2004.11823) draw them anew for each face; these are drawn once, from the seed
    below, for all faces. Python keeps `random()` the same over its versions, which it promises of nothing else.
    """
    draw = random.Random(2004_11823).random  # noqa: S311

    def within(low: float, high: float) -> float:
        return low + (high - low) * draw()

    def pixels() -> float:
        return float(math.floor(within(-4, 5)))  # whole pixels, as the policy's: -4 to 4

    augmented = [
        View(draw() < 0.5, (pixels(), pixels()), round(within(0.9, 1.1), 3), round(within(-10, 10), 2))
        for _ in range(7)
    ]
    return (View(mirror=True), *augmented)


# A new set of views is a new line here; choose among them on the validation split.
VIEWS: dict[str, tuple[View, ...]] = {
    "none": (View(),),
    "flip": (View(), View(mirror=True)),
    "poster8": _posters_eight(),
    "views8": _mirrored_too(_POSES[:4]),
    "views12": _mirrored_too(_POSES[:6]),
    "views24": _mirrored_too(_POSES),
}


def views_named(name: str) -> tuple[View, ...]:
    """The views of a set.

    Raises:
        ValueError: no set of that name.
    """
    if name not in VIEWS:
        raise ValueError(f"tta is {name!r}; choose {', '.join(list(VIEWS)[:-1])} or {list(VIEWS)[-1]}")
    return VIEWS[name]


def space_named(space: str, views: Sequence[View]) -> str:
    """The space in which these views are averaged; of one view there is nothing to average, and it is `probability`.

    Raises:
        ValueError: no such space.
    """
    if space not in SPACES:
        raise ValueError(f"tta_space is {space!r}; choose {' or '.join(SPACES)}")
    return space if len(views) > 1 else SPACES[0]


def title(name: str, space: str) -> str:
    """What reports call a set of views averaged in a space: its name, with `-logit` behind it for logits."""
    return name if space == SPACES[0] else f"{name}-{space}"


class ViewSet(NamedTuple):
    """A set of views, and the space in which a run's answers to them are averaged.

    Attributes:
        name: of the set in `VIEWS`.
        views: its views.
        space: `probability` or `logit`.
    """

    name: str
    views: tuple[View, ...]
    space: str

    @property
    def title(self) -> str:
        """What reports call it."""
        return title(self.name, self.space)


def view_set(name: str, space: str) -> ViewSet:
    """The set of views of a name, averaged in a space; raises FerlabError where there is none of that name."""
    try:
        found = views_named(name)
        return ViewSet(name, found, space_named(space, found))
    except ValueError as error:
        raise FerlabError(str(error)) from None
