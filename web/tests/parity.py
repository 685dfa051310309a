"""Two hundred faces and what Python reads of them, from the pixels of a picture to the probabilities."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
from portraits import three
from scenes import frame

from ferlab.images import SIDE
from ferlab.inference.detector import FaceDetector
from ferlab.inference.everyone import every_face
from ferlab.inference.onnx_model import OnnxModel
from ferlab.inference.turning import crop_of

ALONE, GROUPS, ACROSS, DOWN = 120, 4, 5, 4  # pictures of one face, and groups with the faces in a row and their rows
PEOPLE = 3  # pictures of three drawn people in colour


def _with_wild(faces: np.ndarray) -> np.ndarray:
    """Every other of faces [N,48,48] from data/wild, photographs that are not cut out tightly, where it is there."""
    files = sorted(Path(os.environ.get("FERLAB_DATA", "data"), "wild").glob("*/*.jpg"))
    out = faces.copy()
    for n, file in enumerate(files[:: max(1, len(files) // (len(out) // 2))][: len(out) // 2]):
        out[2 * n + 1] = cv2.resize(
            cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), (SIDE, SIDE), interpolation=cv2.INTER_AREA
        )
    return out


def _pictures(faces: np.ndarray) -> dict[str, np.ndarray]:
    """Faces [200,48,48] of many sizes, alone and in groups: name -> uint8 [H,W,3]."""
    rng, faces = np.random.default_rng(5), _with_wild(faces)
    out = {}
    for n, face in enumerate(faces[:ALONE]):
        out[f"alone{n}"] = frame(face, int(rng.integers(-60, 60)), side=int(rng.integers(90, 400)))
    rest = iter(faces[ALONE:])
    for n in range(GROUPS):
        rows = [
            [frame(next(rest), 0, (260, 240), int(rng.integers(60, 230))) for _ in range(ACROSS)] for _ in range(DOWN)
        ]
        out[f"group{n}"] = np.concatenate([np.concatenate(row, 1) for row in rows])
    return out | {f"people{n}": three(2 * n) for n in range(PEOPLE)}


def write(folder: Path, faces: np.ndarray, model: OnnxModel) -> None:
    """`turned` faces lie on their side or stand on their head, where the page does not look for them."""
    detect, known = FaceDetector(threads=1), []
    (folder / "parity").mkdir(exist_ok=True)
    for name, picture in _pictures(faces).items():
        file = f"parity/{name}.png"
        cv2.imwrite(str(folder / file), picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        found = every_face(detect, [picture])[0]
        crops = [crop_of(picture, face, model.margin) for face in found]
        read = [model(crop[None])[0].tolist() for crop in crops]
        known.append(
            {
                "file": file,
                "faces": [
                    {"box": face.box.tolist(), "turned": face.turn % 4 != 0, "probabilities": probabilities}
                    for face, probabilities in zip(found, read, strict=True)
                ],
            }
        )
    (folder / "parity.json").write_text(json.dumps(known))
