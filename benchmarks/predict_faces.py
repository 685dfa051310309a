"""What finding and cutting out a face costs in accuracy and time, against the same face given as it is.

    python -m benchmarks.predict_faces --raw data/fer2013 --model five_layer.onnx

Faces of PublicTest, as they are and pasted into frames of 640x480 (benchmarks/find_faces.py). Of those that are found:
the accuracy of both ways, and in how many they agree. Times are CPU time on one thread.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks import timing
from benchmarks.find_faces import frames
from ferlab.data import sources
from ferlab.expressions import EXPRESSIONS
from ferlab.predict import Predictor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True, help="folder with fer2013.csv")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=500)
    parser.add_argument("--sides", type=int, nargs="+", default=[350, 240, 160])
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    val = sources.read("fer2013_csv", args.raw / "fer2013.csv").of_split("val")
    direct, finding = (Predictor(args.model, detect, min_confidence=0, threads=1) for detect in (False, True))
    given = np.array([EXPRESSIONS.index(face.label) for (face,) in direct.batch(list(val.pixels))])
    right = int((given == val.labels).sum())
    print(f"{args.model.name} on {len(val)} faces of PublicTest as they are: {right} right, {right / len(val):.4f}")
    chosen = np.random.default_rng(0).permutation(len(val))[: args.faces]
    for side in args.sides:
        seen = np.full(len(chosen), -1)
        for n, picture in enumerate(frames(val.pixels[chosen], side)[0]):
            for face in finding(picture)[:1]:
                seen[n] = EXPRESSIONS.index(face.label)
        found, labels = seen >= 0, val.labels[chosen]
        both = [float((way == labels)[found].mean()) for way in (given[chosen], seen)]
        agree = float((given[chosen] == seen)[found].mean())
        print(
            f"pasted at {side} px: {found.mean():.3f} found; accuracy as they are {both[0]:.3f}, "
            f"found and cut out {both[1]:.3f}, agreeing in {agree:.3f}"
        )
    pictures = list(frames(val.pixels[:32], 300)[0])
    faces = list(val.pixels[:32])
    contenders = {
        "a frame, found, cut out and classified": lambda: [finding.batch([p], everyone=False) for p in pictures],
        "a face as it is, one at a time": lambda: [direct(face) for face in faces],
        "a face as it is, all together": lambda: direct.batch(faces),
    }
    print(f"on {timing.processor()}")
    timing.show(timing.in_turn(contenders, args.repeats), "a face as it is, all together", per=len(faces))


if __name__ == "__main__":
    main()
