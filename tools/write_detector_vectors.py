"""Writes tests/golden/detector.json: what the detector must give in Python and in the browser.

    python -m tools.write_detector_vectors tflite/        # the folder and packages of tools/convert_blazeface.py

Of each range: a square of drawn faces (a PNG beside the JSON), what Google's interpreter gives for its 24 most certain
anchors, and the faces by the plain loops of tests/reference_detector.py. Neither the graphs nor ferlab.detector have a
part in them, but for the square's letterboxing.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np

from ferlab.data.drawn import draw
from ferlab.inference.detector import letterbox
from tests import reference_detector
from tools.convert_blazeface import DETECTORS, anchors, reference

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden"
FILES = {"short": "face_detection_short_range.tflite", "back": "face_detection_back.tflite"}
SIZES = [(640, 480), (480, 640), (1920, 1080), (333, 500), (128, 128), (1, 1), (7, 1000), (8000, 6000), (255, 256)]


def frame(side: int) -> np.ndarray:
    """A picture uint8 [300,400,3] of three drawn faces `side` px wide and high, one cut by the right rim."""
    out = np.empty((300, 400, 3), np.uint8)
    out[:] = np.linspace(70, 150, 400)[:, None]
    for face, (x, y) in zip(draw(7, 7, 7, 3).pixels, ((10, 20), (180, 120), (400 - side * 3 // 4, 15)), strict=False):
        part = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)[..., None][: 300 - y, : 400 - x]
        out[y : y + side, x : x + side] = part * np.array([1, 0.9, 0.8])
    return out


def graphs(folder: Path) -> dict:
    out = {}
    for name, about in DETECTORS.items():
        side = about["side"]
        picture = frame(160 if name == "short" else 90)
        rgba = letterbox(picture, side)
        cv2.imwrite(str(GOLDEN / f"detector_{name}.png"), rgba[..., [2, 1, 0]])
        grid = anchors(side, about["strides"]).astype(np.float64)
        boxes, keypoints, scores = (
            v[0] for v in reference((folder / FILES[name]).read_bytes(), rgba[None], grid).values()
        )
        best = np.argsort(-scores, kind="stable")[:24]
        out[name] = {
            "square": f"detector_{name}.png",
            "anchors": best.tolist(),
            "boxes": boxes[best].round(6).tolist(),
            "keypoints": keypoints[best].round(6).tolist(),
            "scores": scores[best].round(6).tolist(),
            "faces": reference_detector.merge(boxes.tolist(), keypoints.tolist(), scores.tolist(), 0.5, 0.3),
            "width": picture.shape[1],
            "height": picture.shape[0],
        }
        out[name]["faces_in_pixels"] = [
            reference_detector.in_pixels(face, picture.shape[1], picture.shape[0], side) for face in out[name]["faces"]
        ]
    return out


def made_boxes() -> dict:
    """Boxes about three places with noise, some of no width, some with a score at the threshold."""
    rng = np.random.default_rng(5)
    middles = np.repeat([[0.25, 0.3], [0.42, 0.4], [0.7, 0.6]], [6, 5, 7], 0) + rng.normal(0, 0.02, (18, 2))
    sizes = rng.uniform(0.15, 0.3, (18, 1)) * np.ones(2) + rng.normal(0, 0.004, (18, 2))
    boxes = np.concatenate([middles - sizes / 2, sizes], 1)
    boxes[3, 2] = 0
    boxes[9, 3] = -0.1
    scores = rng.uniform(0.3, 1, 18)
    scores[[0, 12]] = 0.5
    keypoints = middles[:, None] + rng.normal(0, 0.05, (18, 6, 2))
    given = {
        "boxes": boxes.round(4).tolist(),
        "keypoints": keypoints.round(4).tolist(),
        "scores": scores.round(4).tolist(),
    }
    return {**given, "min_score": 0.5, "min_overlap": 0.3, "faces": reference_detector.merge(*given.values(), 0.5, 0.3)}


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    boxes = [[100, 80, 60, 60], [-20.4, 5.5, 33, 35], [0.5, 0.5, 1, 1], [639, 470, 200.7, 190.2], [10, 10, 0.1, 0.1]]
    vectors = {
        "placed": [
            {"width": w, "height": h, "side": s, "is": reference_detector.placed(w, h, s)}
            for w, h in SIZES
            for s in (128, 256)
        ],
        "square": [
            {"box": b, "side_ratio": r, "raise_ratio": u, "is": reference_detector.square(b, r, u)}
            for b in boxes
            for r, u in ((1.17, 0.078), (1.0, 0.0))
        ],
        "merge": made_boxes(),
        "graphs": graphs(Path(sys.argv[1])),
    }
    (GOLDEN / "detector.json").write_text(json.dumps(vectors) + "\n")


if __name__ == "__main__":
    main()
