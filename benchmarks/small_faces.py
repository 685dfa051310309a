"""How many small faces of a large picture are found, and how many turned faces are found and turned upright.

    python -m benchmarks.small_faces --raw data/fer2013 --out results/explorations/faces_in_scenes.json

Faces of FER2013's training split, which are of one face each, are pasted into pictures of 1920x1080 at places that do
not touch; what is no face is a smooth pattern with noise. `whole` is FaceDetector's way with everyone on the whole
picture; `every_face` looks in tiles too, and in four turns at faces of which it is unsure. A face is found when the
middle of a box lies in the pasted square, and upright when the turn of its detection undoes the one it was pasted with.
Times are CPU time of one thread. Writes `small` into the record and leaves the rest of it as it is.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks import timing
from ferlab.data import sources
from ferlab.inference.detector import Detection, FaceDetector
from ferlab.inference.everyone import every_face, tiles

WIDTH, HEIGHT = 1920, 1080


def scene(faces: np.ndarray, side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Faces uint8 [N,S,S] -> a picture uint8 [1080,1920,3] with all of them, and their corners [N,2] in it."""
    rng = np.random.default_rng(seed)
    out = cv2.resize(rng.integers(40, 180, (9, 16, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    out = np.clip(out + rng.normal(0, 4, (HEIGHT, WIDTH, 1)), 0, 255).astype(np.uint8)
    places: list[np.ndarray] = []
    while len(places) < len(faces):
        place = rng.integers(0, (WIDTH - side + 1, HEIGHT - side + 1))
        if all(np.abs(place - other).max() > 1.1 * side for other in places):
            places.append(place)
    how = cv2.INTER_AREA if side < faces.shape[1] else cv2.INTER_CUBIC
    for face, (x, y) in zip(faces, places, strict=True):
        out[y : y + side, x : x + side] = cv2.resize(face, (side, side), interpolation=how)[..., None]
    return out, np.array(places)


def hits(found: Sequence[Detection], places: np.ndarray, side: int) -> list[Detection | None]:
    """Of each pasted face the most certain box whose middle lies in it."""

    def first(place: np.ndarray) -> Detection | None:
        middle = place + side / 2
        return next((f for f in found if np.abs(f.box[:2] + f.box[2:] / 2 - middle).max() < side / 2), None)

    return [first(place) for place in places]


def measure(detector: FaceDetector, faces: np.ndarray, side: int, turn: int = 0, together: int = 8) -> dict[str, Any]:
    """Found and turned shares of faces that are pasted at one size, turned by quarters counter-clockwise."""
    shown = np.rot90(faces, turn, axes=(1, 2))
    row: dict[str, Any] = {"side_px": side, "turned_by": 90 * turn, "faces": len(faces)}
    ways = {"whole": lambda picture: detector([picture], everyone=True)[0]}
    ways |= {"every_face": lambda picture: every_face(detector, [picture])[0]}
    counts = {name: [0, 0, 0, 0] for name in ways}
    for start in range(0, len(shown), together):
        picture, places = scene(shown[start : start + together], side, start)
        for name, way in ways.items():
            found = way(picture)
            here = [face for face in hits(found, places, side) if face is not None]
            upright = sum((face.turn + turn) % 4 == 0 for face in here)
            touched = sum(face.turn != 0 for face in here)
            for i, n in enumerate((len(here), len(found) - len(here), upright, touched)):
                counts[name][i] += n
    for name, (found, others, upright, touched) in counts.items():
        row[name] = {"found": found, "boxes_elsewhere": others, "upright": upright, "given_a_turn": touched}
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True, help="folder with fer2013.csv")
    parser.add_argument("--out", type=Path, required=True, help="JSON")
    parser.add_argument("--faces", type=int, default=400)
    parser.add_argument("--sides", type=int, nargs="+", default=[40, 48, 60, 80, 100, 150, 220, 480])
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    pixels = sources.read("fer2013_csv", args.raw / "fer2013.csv").of_split("train").pixels
    faces = pixels[np.random.default_rng(2).permutation(len(pixels))[: args.faces]]
    detector = FaceDetector(threads=1)
    rows = [measure(detector, faces, side, together=8 if side <= 220 else 2) for side in args.sides]
    rows += [measure(detector, faces, 150, turn) for turn in (1, 2, 3)]
    pictures = {f"{w}x{h}": cv2.resize(scene(faces[:8], 100, 0)[0], (w, h)) for w, h in ((1920, 1080), (4000, 3000))}
    costs = {}
    for name, picture in pictures.items():
        contenders = {
            "whole": lambda p=picture: detector([p], everyone=True),
            "every_face": lambda p=picture: every_face(detector, [p]),
        }
        times = timing.in_turn(contenders, args.repeats)
        medians = {way: round(1000 * float(np.median(values)), 1) for way, values in times.items()}
        costs[name] = {"tiles": len(tiles(picture.shape[1], picture.shape[0])), "cpu_ms": medians}
    timing.keep(args.out, "small", {"picture": [WIDTH, HEIGHT], "rows": rows, "costs": costs})
    for row in rows:
        print(json.dumps(row))
    print(json.dumps(costs))


if __name__ == "__main__":
    main()
