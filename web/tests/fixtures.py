"""What the page's tests look at, written into a folder: a camera's clip, good and bad files, vectors.

    python web/tests/fixtures.py FOLDER MODEL.onnx

The faces are FER2013's PublicTest where `FERLAB_DATA` holds it, else drawn ones; none of it is for keeping.
"""

import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import parity
import torch
from PIL import Image
from scenes import HEIGHT, WIDTH, beside, frame, one_after_another, together, write_clip, write_video

from ferlab.data.drawn import draw
from ferlab.data.store import open_config
from ferlab.deploy.export_files import write
from ferlab.deploy.graph import Crops, store_as_fp16, trace
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, K
from ferlab.inference.detector import Detection, FaceDetector
from ferlab.inference.everyone import every_face, tiles
from ferlab.inference.onnx_model import FORMAT, OnnxModel
from ferlab.inference.prediction_files import Predictions
from ferlab.inference.predictor import Face
from ferlab.inference.tracks import Tracks
from ferlab.inference.turning import crop_of
from ferlab.nets.five_layer import FiveLayer
from ferlab.nets.preprocess import Preprocess
from ferlab.predictors.predictor import Model


def shipped(model: Path) -> Path:
    """The file that the page is built with, as in web/offered.ts."""
    made = Path(__file__).resolve().parents[1] / "models" / model.name
    if not made.exists():
        return model
    of, said = (json.loads(path.with_suffix(".json").read_text()) for path in (model, made))
    return made if said["made_from"]["sha256"] == of["sha256"] else model


def photographed() -> np.ndarray:
    """Faces uint8 [N,48,48]."""
    root = os.environ.get("FERLAB_DATA", "data")
    try:
        source = {"name": "fer2013", "layout": "fer2013", "path": "fer2013"}
        return open_config({"root": root, "sources": [source]}).of_split("val").pixels[:200]
    except FerlabError:
        print("no FER2013 here: the tests look at drawn faces")
        return draw(7, 200, 7, 0).of_split("val").pixels


def found(faces: np.ndarray, count: int) -> list[np.ndarray]:
    """Faces that the detector finds in a frame."""
    detect, chosen = FaceDetector(threads=1), []
    for face in faces:
        if len(detect([frame(face)])[0]) == 1:
            chosen.append(face)
        if len(chosen) == count:
            return chosen
    raise SystemExit("the detector finds no faces to test with")


def write_sheet(folder: Path) -> None:
    """Faces of a video and the table that ferlab.predict writes of them."""
    rng, frames, source = np.random.default_rng(4), [], '=clip, the "first".webm'
    predictions = Predictions(str(folder / "sheet.csv"), "fer2013", {})
    for n in range(9):
        rows, faces = [], []
        for number in range(n % 3):
            read = rng.dirichlet(np.full(K, 0.3)).astype(np.float32)
            box, uncertain = rng.uniform(-20, 600, 4), bool(read.max() < 0.5)
            label = "uncertain" if uncertain else EXPRESSIONS[read.argmax()]
            detection = Detection(box, float(rng.uniform()), np.zeros((6, 2)))
            faces.append(Face(label, float(read.max()), read, detection, number))
            known = {"box": box.tolist(), "score": detection.score, "probabilities": read.tolist()}
            rows.append({"number": number, "uncertain": uncertain, **known})
        predictions.add(source, (WIDTH, HEIGHT), faces, n, n / 29.97)
        frames.append({"seconds": n / 29.97, "rows": rows})
    predictions.close([])
    (folder / "sheet.json").write_text(json.dumps({"source": source, "frames": frames}))


def most_unlike(faces: list[np.ndarray], model: OnnxModel) -> tuple[np.ndarray, np.ndarray]:
    """The two whose probabilities lie farthest apart."""
    crops = np.full((len(faces), 48, 48, 4), 255, np.uint8)
    crops[..., :3] = np.stack(faces)[..., None]
    read = model(crops)
    apart = np.abs(read[:, None] - read[None]).max(-1)
    i, j = np.unravel_index(apart.argmax(), apart.shape)
    return faces[i], faces[j]


def write_tracks(folder: Path) -> None:
    """What `Tracks` makes of faces that wander, come and go: boxes and probabilities in; numbers and averages out."""
    tracks, rng, time_s, out = Tracks(), np.random.default_rng(3), 0.0, []
    boxes = np.array([[0, 0, 100, 110], [150, 20, 90, 90], [320, 40, 60, 70]], float)
    for n in range(80):
        time_s += rng.choice([0.033, 0.05, 0.4])
        boxes[:, :2] += rng.normal(0, 12, (3, 2))
        here = [i for i in rng.permutation(3) if (n // 7 + i) % 4]
        read = rng.dirichlet(np.full(K, 0.4), len(here)).astype(np.float32)
        numbers, averages = tracks.update(time_s, [boxes[i].copy() for i in here], read.copy())
        known = {"numbers": numbers, "averages": averages.tolist()}
        out.append({"ms": 1000 * time_s, "boxes": boxes[here].tolist(), "read": read.tolist(), **known})
    (folder / "tracks.json").write_text(json.dumps(out))


def write_photos(folder: Path, face: np.ndarray, other: np.ndarray) -> None:
    picture = Image.fromarray(frame(face))
    picture.save(folder / "face.jpg", quality=95)
    Image.fromarray(frame(None)).save(folder / "nobody.png")
    Image.fromarray(frame(face, 30)).save(folder / "moved.png")
    Image.fromarray(frame(face, 120)).save(folder / "jumped.png")
    Image.fromarray(frame(face, side=90)).save(folder / "far.png")  # too small for the short-range detector
    two = np.concatenate([frame(face), frame(other)], 1)
    Image.fromarray(two).save(folder / "two.png")
    Image.fromarray(frame(face, size=(320, 240), side=40)).save(folder / "small.png")
    Image.fromarray(frame(face, size=(HEIGHT, WIDTH))).save(folder / "upright.png")
    Image.fromarray(two).rotate(38, Image.Resampling.BICUBIC, fillcolor=(120, 118, 112)).save(folder / "tilted.png")
    Image.fromarray(frame(face, 0, (7680, 4320), 2000)).save(folder / "8k.jpg", quality=85)
    cv2.imwrite(str(folder / "16bit.png"), frame(face)[..., ::-1].astype(np.uint16) * 257)
    alpha = np.dstack([frame(face), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    alpha[:, :100, 3] = 0
    Image.fromarray(alpha).save(folder / "alpha.png")
    white = frame(face)
    white[:, :100] = 255
    Image.fromarray(white).save(folder / "white.png")
    picture.save(folder / "plain.png")
    turned = picture.transpose(Image.Transpose.ROTATE_90)  # as a phone on its side stores it
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(folder / "exif.jpg", quality=95, exif=exif)
    Image.new("RGB", (1, 1), (200, 180, 160)).save(folder / "1x1.png")
    Image.fromarray(frame(face)).convert("L").save(folder / "grey.png")
    Image.fromarray(face).resize((96, 96)).save(folder / "tight.png")
    (folder / "cut.jpg").write_bytes((folder / "face.jpg").read_bytes()[:700])
    (folder / "text.jpg").write_bytes(b"this is no picture")
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(20_000))
    (folder / "empty.png").write_bytes(b"")
    (folder / "notes.pdf").write_bytes(b"%PDF-1.4")


def write_golden(folder: Path, model: OnnxModel, faces: np.ndarray) -> None:
    """Pictures of several sizes and what is made of their pixels: small ones grow in the graph, large ones shrink.

    By onnxruntime with the page's model; and by torch with a net of random weights, which is written as an export too.
    """
    torch.manual_seed(0)
    net = FiveLayer(1, K, 0.0)
    with torch.no_grad():
        net[-1].weight *= 30  # probabilities that are far apart
    predictor = Model(Preprocess(48, 1, [0.5], [0.25]), net).eval()
    told = {"format": FORMAT, "expressions": list(EXPRESSIONS), "margin": model.margin._asdict(), "name": "random"}
    traced = trace(predictor, 20)
    write(store_as_fp16(traced), told, folder / "random16.onnx", {})
    write(traced, told, folder / "random.onnx", {})
    random, out = Crops(predictor).eval(), []
    rng = np.random.default_rng(1)
    for n, (width, height) in enumerate([(48, 48), (96, 96), (133, 71), (31, 40), (224, 224), (48, 48)]):
        rgba = np.full((height, width, 4), 255, np.uint8)
        grey = cv2.resize(faces[n], (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
        rgba[..., :3] = rng.integers(0, 256, (height, width, 3)) if n == 5 else grey * np.array([1, 0.9, 0.8])
        Image.fromarray(rgba).save(folder / f"golden{n}.png")
        with torch.inference_mode():
            by_torch = random(torch.from_numpy(rgba[None]))[0].tolist()
        out.append({"file": f"golden{n}.png", "onnxruntime": model(rgba[None])[0].tolist(), "torch": by_torch})
    (folder / "golden.json").write_text(json.dumps(out))


def write_group(folder: Path, faces: np.ndarray) -> None:
    """Eight faces that are too small for a look at the whole picture, and the tiles of pictures of many sizes."""
    near = [frame(face, size=(400, 600), side=90) for face in faces]
    rows = [np.concatenate(near[start : start + 4], 1) for start in (0, 4)]
    Image.fromarray(np.concatenate(rows)).save(folder / "group.png")
    sizes = np.random.default_rng(3).integers(1, 8000, (200, 2)).tolist()
    known = [{"size": size, "is": tiles(*size)} for size in [[809, 600], [810, 600], [1920, 1080], *sizes]]
    (folder / "tiles.json").write_text(json.dumps(known))


def write_whole(folder: Path, model: OnnxModel) -> None:
    """What Python finds and reads in some pictures, from the pixels of the photo to the probabilities."""
    detect = FaceDetector(threads=1)
    for name in ("two", "tilted", "group"):
        picture, out = np.asarray(Image.open(folder / f"{name}.png")), []
        for face in every_face(detect, [picture])[0]:
            rgba = crop_of(picture, face, model.margin)
            known = {"box": face.box.tolist(), "keypoints": face.keypoints.tolist(), "pixels": rgba.ravel().tolist()}
            out.append(known | {"probabilities": model(rgba[None])[0].tolist()})
        (folder / f"{name}.json").write_text(json.dumps(out))


def edge(at: int, side: int) -> int:
    """`at` twelfths of a side, in whole pixels."""
    return (2 * at * side + 12) // 24


def write_occluded(folder: Path, model: OnnxModel) -> None:
    """What Python reads of faces that are whole, then with a square in their mean colour at each of 11 x 11 places."""
    two = np.asarray(Image.open(folder / "two.png"))
    first = max(every_face(FaceDetector(threads=1), [two])[0], key=lambda face: face.box[2] * face.box[3])
    named = {name: np.asarray(Image.open(folder / name).convert("RGBA")) for name in ("tight.png", "golden2.png")}
    out = {}
    for name, rgba in {**named, "two.png": crop_of(two, first, model.margin)}.items():
        height, width = rgba.shape[:2]
        mean = np.floor(rgba.reshape(-1, 4).mean(0) + 0.5).astype(np.uint8)
        pictures = [rgba]
        for row, column in np.ndindex(11, 11):
            pictures.append(rgba.copy())
            down, across = ((edge(at, n), edge(at + 2, n)) for at, n in ((row, height), (column, width)))
            pictures[-1][slice(*down), slice(*across)] = mean
        out[name] = {"read": model(np.stack(pictures)).tolist()}
    out["two.png"] |= {"box": first.box.tolist(), "pixels": crop_of(two, first, model.margin).ravel().tolist()}
    (folder / "occluded.json").write_text(json.dumps(out))


def main() -> None:
    folder, model = Path(sys.argv[1]), OnnxModel.open(shipped(Path(sys.argv[2])), threads=1)
    folder.mkdir(parents=True, exist_ok=True)
    faces = photographed()
    chosen = found(faces, 12)
    face, other = chosen[:2]
    write_clip(folder / "camera.mjpeg", one_after_another({"face": face, "other face": other, "nobody": None}))
    write_clip(folder / "beside.mjpeg", beside(*most_unlike(chosen, model)))
    write_clip(folder / "five.mjpeg", together(chosen[:5]))
    write_tracks(folder)
    write_sheet(folder)
    write_video(folder / "six_seconds.webm", face, (WIDTH, HEIGHT), 6)
    write_video(folder / "4k.webm", face, (3840, 2160), 0.3)
    write_photos(folder, face, other)
    write_golden(folder, model, faces)
    write_group(folder, faces[:8])
    write_whole(folder, model)
    parity.write(folder, faces, model)
    write_occluded(folder, model)


if __name__ == "__main__":
    main()
