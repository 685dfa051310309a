"""How many faces the detector finds, by their size, and how well its crops frame them as the data do.

    python -m benchmarks.find_faces --raw data/fer2013

Faces of the training split are pasted into frames of 640x480, enlarged, each at its own place; what is not the face is
a smooth pattern. `short` and `back` are each range alone; `both` is FaceDetector's way with videos, back where short
finds nothing. `everyone` is its way with pictures, back, and short too where back finds no large face. A face is found
when the middle of a box lies in the pasted square. Framing is the side of what `square` cuts out by the side of the
pasted square, and how far its middle is from the pasted one's, as medians and quartiles. Times are CPU time.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from benchmarks import timing
from ferlab.data import sources
from ferlab.inference.detector import RANGES, FaceDetector
from ferlab.inference.framing import square

WIDTH, HEIGHT = 640, 480
SIDE_RATIO, RAISE_RATIO = 1.17, 0.078


def frames(faces: np.ndarray, side: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Faces uint8 [N,48,48] -> frames uint8 [N,480,640,3] and the left, top, side [N,3] of each pasted face."""
    rng = np.random.default_rng(seed)
    out = np.empty((len(faces), HEIGHT, WIDTH, 3), np.uint8)
    where = np.stack([rng.integers(0, WIDTH - side + 1, len(faces)), rng.integers(0, HEIGHT - side + 1, len(faces))], 1)
    for frame, face, (x, y) in zip(out, faces, where, strict=True):
        frame[:] = cv2.resize(rng.integers(60, 160, (3, 4, 3), np.uint8), (WIDTH, HEIGHT))
        frame[y : y + side, x : x + side] = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)[..., None]
    return out, np.column_stack([where, np.full(len(faces), side)])


def framing(found: list, where: np.ndarray) -> tuple[np.ndarray, int]:
    """Of each found face the ratio of sides and the offsets x, y of the middle by the pasted side, and others found."""
    rows, others = [], 0
    for faces, (left, top, side) in zip(found, where, strict=True):
        middle = np.array([left, top]) + side / 2
        inside = [f for f in faces if np.abs(f.box[:2] + f.box[2:] / 2 - middle).max() < side / 2]
        others += len(faces) - min(len(inside), 1)
        if inside:
            x, y, cut = square(inside[0].box, SIDE_RATIO, RAISE_RATIO)
            rows.append([cut / side, *((np.array([x, y]) + cut / 2 - middle) / side), *inside[0].box[2:] / side])
    return np.array(rows).reshape(-1, 5), others


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True, help="folder with fer2013.csv")
    parser.add_argument("--faces", type=int, default=500)
    parser.add_argument("--sides", type=int, nargs="+", default=[480, 350, 240, 160, 110, 80, 48])
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    faces = sources.read("fer2013_csv", args.raw / "fer2013.csv").of_split("train").pixels
    faces = faces[np.random.default_rng(1).permutation(len(faces))[: args.faces]]
    both = FaceDetector(threads=1)
    ways = {name: lambda picture, name=name: both.look([picture], name)[0] for name in RANGES}
    ways |= {"both": lambda picture: both([picture])[0], "everyone": lambda picture: both([picture], everyone=True)[0]}
    for side in args.sides:
        pictures, where = frames(faces, side)
        words = []
        for name, way in ways.items():
            rows, others = framing([way(picture) for picture in pictures], where)
            words.append(f"{name} {len(rows) / len(faces):.3f} (others {others})")
        print(f"pasted at {side:3d} px: {', '.join(words)}")
        if len(rows):
            for name, values in zip(("side", "x", "y", "box width", "box height"), rows.T, strict=True):
                print("    everyone, {}: {:.3f} ({:.3f} to {:.3f})".format(name, *np.percentile(values, [50, 25, 75])))
    pictures, _ = frames(faces[:20], 300)
    empty = np.full((20, HEIGHT, WIDTH, 3), 128, np.uint8)
    times = timing.in_turn(
        {
            "everyone": lambda: [both([p], everyone=True) for p in pictures],
            "neither finds any": lambda: [both([p]) for p in empty],
            "short finds it": lambda: [both([p]) for p in pictures],
        },
        args.repeats,
    )
    print(f"a frame, on {timing.processor()}")
    timing.show(times, "short finds it", per=len(pictures))


if __name__ == "__main__":
    main()
