"""What tilt, size and light cost in accuracy, and what levelling the crop and the mean of several crops give back.

    python -m benchmarks.faces_in_scenes --raw data/fer2013 --models accurate five_layer \
        --out results/explorations/faces_in_scenes.json

Faces of PublicTest are pasted into pictures of 640x480, upright and bright at 240 px, and with one of these changed: a
tilt in degrees to either side in the plane, the side in pixels, the share of the light that is left. What is no face is
a smooth pattern with noise. Each is found as in pictures (`every_face`). `right_as_found` counts labels of its upright
square, `right_levelled` those of `crop_of`, which turns the square by the excess of the eyes' tilt, and
`right_of_crops` those of means over levelled crops of several sizes. A face that is not found is right in none.
Writes `accuracy_LABELS` into the record, with the checksum of each model's file, and leaves the rest of it as it is.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks import timing
from ferlab.data import sources
from ferlab.inference import models
from ferlab.inference.detector import Detection, FaceDetector
from ferlab.inference.everyone import every_face
from ferlab.inference.framing import crop
from ferlab.inference.onnx_model import Margin, OnnxModel
from ferlab.inference.turning import crop_of, turned_box

WIDTH, HEIGHT = 640, 480
SIDE = 240  # px of the pasted square, where another thing is changed
TILTS, SIDES, LIGHTS = (15, 30, 45, 60), (30, 40, 60, 80, 120), (0.5, 0.25, 0.12, 0.06)
LABELS: dict[str, dict[str, str]] = {
    "fer2013": {},
    "ferplus": {"targets": "majority", "evaluated": "majority", "unnamed": "drop"},
}
FACTORS = (0.92, 1.0, 1.08)  # of a crop's side
MEANS = {"1": (1.0,), "2": (0.92, 1.08), "3": FACTORS}


def scene(face: np.ndarray, side: int, tilt: float, seed: int, light: float = 1.0) -> np.ndarray:
    """A picture uint8 [480,640,3] with a face uint8 [48,48] in its middle, turned clockwise by `tilt` degrees.

    Of all of it the share `light` is left; the camera still has 256 levels.
    """
    rng = np.random.default_rng(seed)
    behind = cv2.resize(rng.integers(40, 180, (3, 4, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    behind = behind + rng.normal(0, 3, (HEIGHT, WIDTH, 1))
    middle = (side - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), -tilt, 1)  # OpenCV's angles are counter-clockwise
    matrix[:, 2] += ((WIDTH - side) / 2, (HEIGHT - side) / 2)
    large = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA if side < len(face) else cv2.INTER_CUBIC)
    opaque = np.zeros((side, side), np.float32)
    rim = side // 20
    opaque[rim : side - rim, rim : side - rim] = 1
    shown = cv2.warpAffine(large, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    share = cv2.warpAffine(cv2.GaussianBlur(opaque, (0, 0), side / 60), matrix, (WIDTH, HEIGHT))[..., None]
    return np.clip(light * (share * shown[..., None] + (1 - share) * behind), 0, 255).astype(np.uint8)


def middle_face(found: list[Detection], side: int) -> Detection | None:
    """The most certain face whose middle lies in the pasted square."""
    middle = np.array([WIDTH, HEIGHT]) / 2
    return next((f for f in found if np.abs(f.box[:2] + f.box[2:] / 2 - middle).max() < side / 2), None)


def crops_of(picture: np.ndarray, face: Detection, margin: Margin) -> list[np.ndarray]:
    """The crop as found, and the levelled ones with each of `FACTORS`."""
    box = turned_box(face.box, (WIDTH, HEIGHT), face.turn)
    levelled = [crop_of(picture, face, margin._replace(side_ratio=margin.side_ratio * f)) for f in FACTORS]
    return [crop(np.rot90(picture, face.turn), box, *margin), *levelled]


def measure(
    detector: FaceDetector,
    nets: dict[str, OnnxModel],
    faces: np.ndarray,
    labels: np.ndarray,
    side: int = SIDE,
    tilt: int = 0,
    light: float = 1.0,
) -> dict[str, Any]:
    """How many faces each net is right about; they are turned to either side in turn."""
    kept, crops = [], []
    for n, face in enumerate(faces):
        picture = scene(face, side, tilt if n % 2 else -tilt, n, light)
        found = middle_face(every_face(detector, [picture])[0], side)
        if found:
            kept.append(n)
            crops.append(crops_of(picture, found, next(iter(nets.values())).margin))
    row: dict[str, Any] = {"tilt_deg": tilt, "side_px": side, "light": light, "faces": len(faces), "found": len(kept)}
    for name, net in nets.items():
        probabilities = np.stack([net(np.stack(column)) for column in zip(*crops, strict=True)])
        means = {key: probabilities[[1 + FACTORS.index(f) for f in few]].mean(0) for key, few in MEANS.items()}
        right = {key: int((mean.argmax(1) == labels[kept]).sum()) for key, mean in means.items()}
        as_found = int((probabilities[0].argmax(1) == labels[kept]).sum())
        row[name] = {"right_as_found": as_found, "right_levelled": right["1"], "right_of_crops": right}
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--raw", type=Path, required=True, help="folder with fer2013.csv, and fer2013new.csv for ferplus"
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON, which may hold other measurements")
    parser.add_argument("--labels", choices=LABELS, default="fer2013")
    parser.add_argument("--faces", type=int, default=400)
    parser.add_argument("--models", nargs="+", required=True, help="names of predict --list")
    args = parser.parse_args()
    val = sources.read(args.labels, args.raw, **LABELS[args.labels]).of_split("val")
    chosen = np.random.default_rng(4).permutation(len(val.pixels))[: args.faces]
    detector = FaceDetector(threads=1)
    nets = {name: OnnxModel.open(models.find(name), threads=1) for name in args.models}
    changed = [("tilt", TILTS), ("side", SIDES), ("light", LIGHTS)]
    rows = []
    for change in [{}, *({name: value} for name, values in changed for value in values)]:
        rows.append(measure(detector, nets, val.pixels[chosen], val.labels[chosen], **change))
        print(json.dumps(rows[-1]), flush=True)
    files = {name: net.sidecar["sha256"] for name, net in nets.items()}
    record = {"picture": [WIDTH, HEIGHT], "labels": args.labels, "split": "val", "files": files, "rows": rows}
    timing.keep(args.out, f"accuracy_{args.labels}", record)


if __name__ == "__main__":
    main()
