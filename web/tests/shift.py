"""What a crop beside the face costs: accuracy of a model on faces whose box is shifted by a share of its size.

    python web/tests/shift.py MODEL.onnx

The faces are FER2013's PublicTest in `FERLAB_DATA`, in the frames of scenes.py; each is shifted in a direction of its
own. The page reads a face where it was a frame ago, and worker.ts holds it for the same place up to the share where
accuracy begins to fall.
"""

import os
import sys

import numpy as np
from scenes import frame

from ferlab.data.store import open_config
from ferlab.inference.detector import FaceDetector
from ferlab.inference.framing import crop
from ferlab.inference.onnx_model import OnnxModel

FACES = 1000
SHARES = (0, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.33)


def main() -> None:
    source = {"name": "fer2013", "layout": "fer2013", "path": "fer2013"}
    split = open_config({"root": os.environ.get("FERLAB_DATA", "data"), "sources": [source]}).of_split("val")
    model, detect = OnnxModel.open(sys.argv[1], threads=1), FaceDetector(threads=1)
    rng, labels, answers = np.random.default_rng(0), [], []
    for face, label in zip(split.pixels[:FACES], split.labels, strict=False):
        picture, angle = frame(face), rng.uniform(0, 2 * np.pi)
        found = detect([picture])[0]
        if len(found) != 1:
            continue
        box = found[0].box
        way = np.array([np.cos(angle) * box[2], np.sin(angle) * box[3], 0, 0])
        crops = np.stack([crop(picture, box + share * way, *model.margin) for share in SHARES])
        labels.append(label)
        answers.append(model(crops).argmax(1))
    answers = np.array(answers)  # [N,shares]
    right = (answers == np.array(labels)[:, None]).mean(0)
    same = (answers == answers[:, :1]).mean(0)
    print(f"{len(labels)} faces")
    for share, accuracy, agreement in zip(SHARES, right, same, strict=True):
        print(f"shifted by {share:.2f} of the box: accuracy {accuracy:.3f}, the same label {agreement:.3f}")


if __name__ == "__main__":
    main()
