"""What the cameras of the comparison show, drawn people: python -m benchmarks.browser.clips benchmarks/browser/built"""

import sys
from pathlib import Path

import cv2
import numpy as np

from ferlab.expressions import EXPRESSIONS
from web.tests.portraits import PEOPLE, between, paint, room

FRAMES = 240  # of 1/30 s


def scene(places: list[tuple[int, int, int]], n: int) -> np.ndarray:
    """A frame uint8 [480,640,3]: people at (x, y, half a face's height) sway, and change their faces every second."""
    picture = room(640, 480)
    for k, (person, (x, y, half)) in enumerate(zip(PEOPLE, places, strict=False)):
        sway = 0.12 * half * np.sin(2 * np.pi * (2 * n / FRAMES + k / 5))
        paint(picture, person, between(list(EXPRESSIONS), n / 30 + k), (x + sway, y), half)
    return picture


def main() -> None:
    """Writes one.mjpeg and five.mjpeg into the folder that is typed."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    five = [(110, 100, 70), (320, 100, 70), (530, 100, 70), (210, 330, 78), (430, 330, 78)]
    for name, places in {"one": [(320, 220, 130)], "five": five}.items():
        with (folder / f"{name}.mjpeg").open("wb") as file:
            for n in range(FRAMES):
                jpeg = cv2.imencode(".jpg", scene(places, n)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
                file.write(jpeg.tobytes())


if __name__ == "__main__":
    main()
