"""The pictures to try the page with: python web/tests/samples.py writes web/public/samples/.

People are drawn as in `portraits.py`. `astronaut.webp` is a photograph of Eileen Collins by NASA, in the public domain:
https://flic.kr/p/r9qvLn, as scikit-image gives it on.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from portraits import PEOPLE, of, paint, room
from skimage import data

FOLDER = Path(__file__).parents[1] / "public/samples"
SHOWN = {"surprise": 1, "happy": 3, "sad": 0, "angry": 2}  # expression -> who shows it
GROUP = (("happy", 3, 170, 250, 105), ("angry", 4, 480, 235, 105), ("fear", 1, 790, 250, 105))
FRONT = (("surprise", 0, 320, 380, 135), ("neutral", 2, 650, 385, 135))


def one(expression: str, person: int) -> np.ndarray:
    """A person uint8 [640,640,3]."""
    picture = room(640, 640)
    paint(picture, PEOPLE[person], of(expression), (320, 300), 170)
    return picture


def group() -> np.ndarray:
    """Five people uint8 [720,960,3]."""
    picture = room(960, 720)
    for expression, person, x, y, half in (*GROUP, *FRONT):
        paint(picture, PEOPLE[person], of(expression), (x, y), half)
    return picture


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    pictures = {name: one(name, person) for name, person in SHOWN.items()}
    for name, picture in {"group": group(), **pictures, "astronaut": data.astronaut()}.items():
        Image.fromarray(picture).save(FOLDER / f"{name}.webp", quality=80, method=6)


if __name__ == "__main__":
    main()
