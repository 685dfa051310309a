"""Writes tests/golden/framing.json: how pictures are resized and faces cut out, in Python and in the browser.

    python -m tools.write_framing_vectors

By the plain loops of tests/reference_detector.py; ferlab.inference.framing has no part in it.
"""

import json
import math
from pathlib import Path

import numpy as np

from tests import reference_detector

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden"
WIDTH, HEIGHT, EVERY = 24, 18, 13
KEPT, LEAST = math.radians(10), 0.25
SIZES = [(12, 9), (11, 7), (24, 18), (23, 17), (31, 25), (1, 1), (24, 1)]
BOXES = [[7, 5, 9, 10], [-4.3, 11.2, 12, 10.5], [70, 70, 5, 5]]
LARGE = [0.5, 0.5, 100, 90]  # is averaged
EYES = [[10, 0], [10, 2], [-8, 6], [10, -9], [0.1, 10], [-10, 0], [1, 1], [0, 0]]


def main() -> None:
    rng = np.random.default_rng(7)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    waves = [100 + 60 * np.sin(columns / a) + 60 * np.cos(rows / b) for a, b in ((3, 4), (2, 7), (5, 2))]
    picture = np.clip(np.stack(waves, 2) + rng.normal(0, 12, (HEIGHT, WIDTH, 3)), 0, 255).astype(int).tolist()
    vectors = {
        "picture": picture,
        "resized": [
            {"width": w, "height": h, "is": np.round(reference_detector.resized(picture, w, h), 2).ravel().tolist()}
            for w, h in SIZES
        ],
        "excess_tilt": [
            {"box": [3, 4, side, 20], "eyes": [[5, 6], [5 + x, 6 + y]], "is": reference_detector.excess_tilt(
                [3, 4, side, 20], [5, 6], [5 + x, 6 + y], KEPT, LEAST)}
            for x, y in EYES for side in (18, 80)
        ],
        "crop": [
            {"box": box, "side_ratio": 1.17, "raise_ratio": 0.078, "tilt": tilt, "every": EVERY,
             "is": np.round(reference_detector.levelled(picture, box, 1.17, 0.078, tilt, EVERY), 2).tolist()}
            for box, tilts in [*((box, (0.05, 0.6, -0.9, 2.5)) for box in BOXES), (LARGE, (0.6,))] for tilt in tilts
        ],
    }  # fmt: skip
    (GOLDEN / "framing.json").write_text(json.dumps(vectors) + "\n")


if __name__ == "__main__":
    main()
