"""People in colour whose faces move: the shapes of `ferlab.data.drawn_figure`, painted large.

    python web/tests/portraits.py FOLDER

writes the frames that `pictures.mjs` shows to the page: 8 s of three people and of one, and one with seven expressions.
A photograph of a person needs that person's leave to be shown; these need nobody's.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from ferlab.data.drawn_figure import Dice, Figure
from ferlab.expressions import EXPRESSIONS, K

SECONDS = 8  # of a round, ten frames each
STRENGTH = 0.85  # of an expression, from 0 to 1
_FINE = 4  # painted this many times finer, then averaged
_SUBPIXEL = 3  # cv2's drawing takes coordinates in 1/8 px


@dataclass(frozen=True)
class Person:
    """`seed` makes the face. Colours are RGB; `hair_ends` is how far below its centre, in half face heights."""

    seed: int
    skin: tuple[int, int, int]
    hair: tuple[int, int, int]
    shirt: tuple[int, int, int]
    hair_ends: float


PEOPLE = (
    Person(4, (241, 205, 178), (92, 58, 40), (62, 110, 130), 0.1),
    Person(0, (150, 102, 74), (30, 26, 28), (178, 84, 70), 0.75),
    Person(5, (232, 190, 160), (176, 126, 64), (84, 120, 84), 0.0),
    Person(3, (214, 164, 126), (58, 40, 32), (120, 90, 140), 0.6),
    Person(7, (125, 84, 60), (24, 22, 24), (204, 156, 76), 0.05),
)


def room(width: int, height: int) -> np.ndarray:
    """An empty wall to stand before: uint8 [H,W,3]."""
    share = np.linspace(0, 1, height)[:, None, None]
    wall = (1 - share) * (222, 228, 226) + share * (188, 200, 200)
    return np.repeat(wall, width, 1).astype(np.uint8)


def paint(picture: np.ndarray, person: Person, weights: np.ndarray, centre: tuple[float, float], half: float) -> None:
    """Paints a person over a picture uint8 [H,W,3].

    `weights` [7] mixes the shapes of the face's expressions, in the order of EXPRESSIONS. `centre` is the place of the
    face and `half` half its height, in pixels.
    """
    reach = np.array([1.5, 1.6, 1.5, 6.0]) * half  # left, up, right and down of the centre
    x, y = centre
    left, top = max(0, int(x - reach[0])), max(0, int(y - reach[1]))
    right, bottom = min(picture.shape[1], int(x + reach[2])), min(picture.shape[0], int(y + reach[3]))
    part = picture[top:bottom, left:right]
    canvas = np.repeat(np.repeat(part, _FINE, 0), _FINE, 1)
    origin, scale = np.array([x - left, y - top]) * _FINE, half * _FINE
    for points, colour, line in _strokes(person, weights):
        place = np.rint((points * scale + origin) * 2**_SUBPIXEL).astype(np.int32)
        tone = np.clip(colour, 0, 255).tolist()
        if line:
            cv2.polylines(canvas, [place], False, tone, max(1, round(line * scale)), cv2.LINE_AA, _SUBPIXEL)
        else:
            cv2.fillPoly(canvas, [place], tone, cv2.LINE_AA, _SUBPIXEL)
    part[:] = cv2.resize(canvas, part.shape[1::-1], interpolation=cv2.INTER_AREA)


def of(expression: str) -> np.ndarray:
    """The weights of one expression, [7]."""
    return np.eye(K)[EXPRESSIONS.index(expression)]


def between(expressions: list[str], time: float) -> np.ndarray:
    """The weights at a time of a round: each expression stays for 2/3 of a unit of time, then turns into the next."""
    step, rest = divmod(time, 1)
    share = np.clip((rest - 2 / 3) * 3, 0, 1)
    share = share * share * (3 - 2 * share)
    now, then = (of(expressions[int(step + n) % len(expressions)]) for n in (0, 1))
    return (1 - share) * now + share * then


@cache
def _figure(seed: int) -> Figure:
    """One person with all seven expressions."""
    u = np.repeat(np.random.default_rng(seed).random((1, 200)), K, 0)
    u[:, 0] = STRENGTH
    figure = Figure(Dice(u), np.arange(K))
    figure.gaze_x[:] = figure.gaze_y[:] = 0
    figure.face()
    return figure


_TURN = np.linspace(0, 2 * np.pi, 80)
_CHEST = np.stack([1.35 * np.sign(np.cos(_TURN)) * np.abs(np.cos(_TURN)) ** 0.7, 2.2 + 1.2 * np.sin(_TURN)], -1)
_CHEST = np.where(np.sin(_TURN)[:, None] > 0, np.sign(_CHEST) * (1.35, 4), _CHEST)
_NECK = np.array([[-0.36, 0.6], [0.36, 0.6], [0.42, 1.2], [0, 1.38], [-0.42, 1.2]])
_FAINT = 0.97  # of the skin's tone: a crease that cannot be seen


def _strokes(person: Person, weights: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Points [P,2] in face coordinates, RGB, and the width of a line or 0 for a filled shape; in order of painting."""
    figure, skin = _figure(person.seed), np.array(person.skin)
    for name, points in ((name, np.tensordot(weights, each, 1)) for name, each in figure.shapes.items()):
        kind = name.split()[0]
        darkness = weights @ figure.tones[name] / figure.skin[0]
        if kind == "head":
            yield _CHEST, np.array(person.shirt), 0
            yield _NECK, 0.82 * skin, 0
        if kind == "hair":
            points[:, 1] = np.minimum(points[:, 1], person.hair_ends)
        if kind == "fringe":  # its other points lie on a line that sticks out of the head
            points = points[np.isclose(points[:, 1], 1.02 * figure.shapes["head"][0, :, 1])]
        hidden = kind == "socket" or (kind == "seam" and weights @ np.ptp(figure.shapes["mouth"], 1)[:, 1] > 0.1)
        if hidden or len(points) < 3 or (name.endswith("line") and darkness > _FAINT):
            continue
        yield _rounded(points, not name.endswith("line")), _colour(kind, person, darkness), _width(name)


def _rounded(points: np.ndarray, closed: bool) -> np.ndarray:
    """Corners cut twice, by Chaikin's scheme."""
    for _ in range(2):
        ends = points if closed else points[:-1]
        then = np.roll(points, -1, 0) if closed else points[1:]
        cut = np.stack([0.75 * ends + 0.25 * then, 0.25 * ends + 0.75 * then], 1).reshape(-1, 2)
        points = cut if closed else np.concatenate([points[:1], cut, points[-1:]])
    return points


def _colour(kind: str, person: Person, darkness: float) -> np.ndarray:
    skin, hair = np.array(person.skin), np.array(person.hair)
    known = {
        "hair": hair,
        "fringe": hair,
        "head": skin,
        "brow": 0.75 * hair,
        "eye": np.array([250, 250, 248]),
        "iris": np.array([52, 40, 34]),
        "lid": 0.5 * hair,
        "glasses": np.array([50, 50, 56]),
        "nostril": 0.5 * skin,
        "lips": skin * (0.85, 0.58, 0.56),
        "mouth": np.array([70, 26, 30]),
        "teeth": np.array([250, 248, 242]),
        "seam": skin * (0.6, 0.36, 0.36),
    }
    return known.get(kind, skin * max(darkness, 0.55) * (1, 0.96, 0.94))


def _width(name: str) -> float:
    """In half face heights."""
    if not name.endswith("line"):
        return 0
    return 0.032 if name.startswith(("lid", "seam")) else 0.022


def three(seconds: float) -> np.ndarray:
    """People whose expressions change every two seconds, in turn: uint8 [720,960,3]."""
    picture = room(960, 720)
    rounds = (["surprise", "happy"], ["sad", "neutral"], ["happy", "surprise", "angry", "neutral"])
    places = ((205, 300, 125), (765, 290, 125), (480, 375, 175))
    for n, person in enumerate((PEOPLE[1], PEOPLE[2], PEOPLE[0])):
        x, y, half = places[n]
        paint(picture, person, between(rounds[n], (seconds / 2 + n / 3) % len(rounds[n])), (x, y), half)
    return picture


def one(seconds: float) -> np.ndarray:
    """A person before a phone: uint8 [960,720,3]."""
    picture = room(720, 960)
    paint(picture, PEOPLE[3], between(["happy", "surprise", "sad", "fear"], seconds / 2), (360, 440), 235)
    return picture


def seven(seconds: float) -> np.ndarray:
    """A person with another expression each tenth of a second, in the order of EXPRESSIONS: uint8 [720,960,3]."""
    picture = room(960, 720)
    paint(picture, PEOPLE[2], of(EXPRESSIONS[round(10 * seconds)]), (480, 340), 170)
    return picture


def main() -> None:
    for scene, count in {three: 10 * SECONDS, one: 10 * SECONDS, seven: K}.items():
        folder = Path(sys.argv[1]) / scene.__name__
        folder.mkdir(parents=True, exist_ok=True)
        for n in range(count):
            cv2.imwrite(str(folder / f"{n:02}.jpg"), scene(n / 10)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])


if __name__ == "__main__":
    main()
