"""The predictor with a model whose answer a test can compute, and every input that is no picture."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from benchmarks.find_faces import frames
from ferlab.data.drawn import draw
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.inference import media
from ferlab.inference.detector import square
from ferlab.inference.media import Video, VideoFile
from ferlab.predict import Predictor, main

CENTRES = np.arange(7) * 36.0 + 18  # class k is a crop of about this mean grey


def expected(grey: float) -> np.ndarray:
    logits = -(((grey - CENTRES) / 30) ** 2)
    return np.exp(logits) / np.exp(logits).sum()


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """An exported model of the mean grey of its crop: softmax(-((mean - centre) / 30)^2)."""
    constants = {"axes": np.array([1, 2, 3]), "shape": np.array([-1, 1])}
    constants |= {"from": np.array([0]), "to": np.array([3]), "channel": np.array([3])}
    constants |= {"centres": CENTRES.astype(np.float32)[None], "width": np.float32(30)}
    nodes = [
        helper.make_node("Slice", ["rgba", "from", "to", "channel"], ["rgb"]),
        helper.make_node("Cast", ["rgb"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "shape"], ["column"]),
        helper.make_node("Sub", ["column", "centres"], ["far"]),
        helper.make_node("Div", ["far", "width"], ["scaled"]),
        helper.make_node("Mul", ["scaled", "scaled"], ["squared"]),
        helper.make_node("Neg", ["squared"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "grey",
        [helper.make_tensor_value_info("rgba", TensorProto.UINT8, ["batch", "height", "width", 4])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 7])],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(made, {"expressions": json.dumps(EXPRESSIONS)})
    onnx.checker.check_model(made, full_check=True)
    path = tmp_path_factory.mktemp("model") / "grey.onnx"
    path.write_bytes(made.SerializeToString())
    sidecar = {"format": 1, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "expressions": EXPRESSIONS}
    sidecar |= {"margin": {"side_ratio": 1.17, "raise_ratio": 0.078}, "threshold": None}
    path.with_suffix(".json").write_text(json.dumps(sidecar))
    return path


@pytest.fixture(scope="module")
def predictor(model) -> Predictor:
    return Predictor(model, threads=1)


def photo(side: int = 250, person: int = 1, seed: int = 0) -> np.ndarray:
    """A picture uint8 [480,640,3] with one drawn face."""
    return frames(draw(7, 7, 7, 1).pixels[person : person + 1], side, seed)[0][0]


@pytest.fixture(scope="module")
def two() -> np.ndarray:
    """A picture uint8 [480,1280,3] with two drawn faces, the left one darker."""
    return np.concatenate([photo(230, 1, 1) // 2, photo(260, 2, 2)], 1)


def test_each_face_is_cut_out_and_classified(predictor, two):
    faces = predictor(two)
    assert len(faces) == 2
    for face in faces:
        left, top, side = square(face.detection.box, 1.17, 0.078)
        rows, columns = (
            np.clip(np.arange(n, n + side), 0, m - 1) for n, m in zip((top, left), two.shape, strict=False)
        )
        probabilities = expected(two[rows][:, columns].mean())
        np.testing.assert_allclose(face.probabilities, probabilities, atol=5e-3)
        assert face.label == EXPRESSIONS[face.probabilities.argmax()]
        assert face.confidence == pytest.approx(face.probabilities.max())
    assert len({face.label for face in faces}) == 2


def test_batches_files_arrays_and_sizes_give_the_same(predictor, model, two, tmp_path):
    pictures = [photo(), two, np.zeros((7, 9, 3), np.uint8), np.dstack([photo(300), photo(300)[..., :1]])]
    alone = [predictor(image) for image in pictures]
    Image.fromarray(two).save(tmp_path / "two.png")
    pictures[1] = tmp_path / "two.png"
    together = Predictor(model, threads=1, batch_size=1).batch(pictures)
    assert [len(faces) for faces in together] == [1, 2, 0, 1]
    for ours, theirs in zip(chain(*alone), chain(*together), strict=True):
        np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-4)
        np.testing.assert_allclose(ours.detection.box, theirs.detection.box, atol=1e-2)


@pytest.mark.parametrize("grey", [0, 55, 130, 255])
@pytest.mark.parametrize("shape", [(48, 48), (1, 1, 3), (100, 70, 4), (48, 48, 3), (3000, 2000)])
def test_faces_already_cut_out(model, grey, shape):
    (face,) = Predictor(model, detect=False, threads=1)(np.full(shape, grey, np.uint8))
    # onnxruntime's mean of a million float32 is good to 1e-4
    np.testing.assert_allclose(face.probabilities, expected(grey), atol=1e-5 if shape[0] < 1000 else 5e-3)
    assert face.detection is None


def test_a_label_is_withheld_below_the_confidence(model, tmp_path):
    grey = np.full((48, 48), 36, np.uint8)  # between two classes
    assert expected(36).max() < 0.5
    (face,) = Predictor(model, False, threads=1)(grey)
    assert face.label == "disgust" or face.label == "angry"
    (face,) = Predictor(model, False, min_confidence=0.5, threads=1)(grey)
    assert face.label == "uncertain"
    assert face.confidence == pytest.approx(expected(36).max(), abs=1e-5)
    copy = tmp_path / "grey.onnx"
    copy.write_bytes(model.read_bytes())
    sidecar = json.loads(model.with_suffix(".json").read_text()) | {"threshold": 0.5}
    copy.with_suffix(".json").write_text(json.dumps(sidecar))
    assert Predictor(copy, False, threads=1)(grey)[0].label == "uncertain"
    assert Predictor(copy, False, min_confidence=0, threads=1)(grey)[0].label != "uncertain"


@pytest.mark.parametrize("bad", [{"min_confidence": 40}, {"batch_size": 0}, {"min_score": 2}])
def test_settings_that_are_none(model, bad):
    with pytest.raises(FerlabError, match=r"expected|between"):
        Predictor(model, **bad)


@pytest.mark.parametrize("array", [np.zeros((4, 4, 3)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4), np.uint8)])
def test_arrays_that_are_no_picture(predictor, array):
    with pytest.raises(FerlabError, match="expected uint8"):
        predictor(array)


# the command


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, two) -> Path:
    """A folder with pictures of every kind, good and bad."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "Ümlaut folder").mkdir(parents=True)
    image = Image.fromarray(photo())
    image.save(folder / "a.png")
    image.save(folder / "a.jpg", quality=95)
    Image.fromarray(two).save(folder / "Ümlaut folder" / "two faces.webp", quality=95)
    turned = image.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(folder / "exif.jpg", exif=exif, quality=95)
    for mode in ("RGBA", "LA", "P", "CMYK"):
        image.convert(mode).save(folder / f"{mode}.{'tiff' if mode == 'CMYK' else 'png'}")
    Image.fromarray(photo()[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    image.save(folder / "animation.gif", save_all=True, append_images=[Image.new("RGB", image.size)])
    Image.new("1", (64, 64)).save(folder / "black.png")
    Image.new("RGB", (1, 1)).save(folder / "pixel.png")
    Image.new("1", (8_000, 8_000)).save(folder / "bomb.png")
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("no picture")
    data = (folder / "a.png").read_bytes()
    (folder / "half.png").write_bytes(data[: len(data) // 2])
    (folder / "text.mp4").write_text("no video")
    (folder / "empty.mp4").touch()
    (folder / "notes.txt").write_text("not asked for")
    (folder / "loop").symlink_to(folder)
    return folder


WITH_FACE = {"a.png", "a.jpg", "exif.jpg", "RGBA.png", "LA.png", "P.png", "CMYK.tiff", "deep.png", "animation.gif"}
BAD = {"bomb.png", "empty.png", "text.png", "half.png", "text.mp4", "empty.mp4"}


def test_every_kind_of_file_in_one_go(inputs, model, tmp_path, capsys):
    out = tmp_path / "out" / "faces.csv"
    drawn = tmp_path / "drawn"
    words = [inputs, tmp_path / "gone.png", "--model", model, "--out", out, "--annotated", drawn, "--threads", "1"]
    assert main([str(word) for word in words]) == 1
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    by_name: dict[str, list[dict]] = {}
    for row in rows:
        by_name.setdefault(Path(row["source"]).name, []).append(row)
    assert set(by_name) == WITH_FACE | {"two faces.webp", "black.png", "pixel.png"}
    for name in WITH_FACE:
        (row,) = by_name[name]
        for key in ("x", "y", "width", "height"):
            assert float(row[key]) == pytest.approx(float(by_name["a.png"][0][key]), abs=15), name
        assert row["label"] == EXPRESSIONS[np.argmax([float(row[e]) for e in EXPRESSIONS])]
        assert sum(float(row[e]) for e in EXPRESSIONS) == pytest.approx(1, abs=1e-4)
    assert [row["face"] for row in by_name["two faces.webp"]] == ["0", "1"]
    assert [row["label"] for name in ("black.png", "pixel.png") for row in by_name[name]] == ["no face"] * 2
    told = capsys.readouterr().err
    for name in BAD | {"gone.png"}:
        assert name in told, name
    assert "notes.txt" not in told
    assert "Traceback" not in told
    assert "11 faces in 12 pictures; no face in 2" in told
    assert f"{len(BAD) + 1} inputs failed" in told
    assert len(list(drawn.iterdir())) == 12  # a.png and a.jpg both
    assert Image.open(drawn / "pixel.faces.jpg").size == (240, 240)


def test_json_in_another_label_order(inputs, model, tmp_path):
    out = tmp_path / "faces.json"
    words = ["--model", str(model), "--out", str(out), "--label-order", "ferplus", "--threads", "1"]
    assert main([str(inputs / "a.png"), str(inputs / "pixel.png"), str(inputs / "half.png"), *words]) == 1
    found = json.loads(out.read_text())
    assert found["labels"][:2] == ["neutral", "happiness"]
    assert found["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    first, second = found["pictures"]
    (face,) = first["faces"]
    (ours,) = Predictor(model, threads=1)(inputs / "a.png")
    in_order = ["neutral", "happy", "surprise", "sad", "angry", "disgust", "fear"]
    np.testing.assert_allclose(
        face["probabilities"], [*(ours.probabilities[EXPRESSIONS.index(e)] for e in in_order), 0], atol=1e-6
    )
    assert face["label"] == found["labels"][int(np.argmax(face["probabilities"]))]
    assert len(face["keypoints"]) == 6
    assert (first["width"], first["height"], second["faces"]) == (640, 480, [])
    (failed,) = found["failed"]
    assert failed["source"].endswith("half.png")


def test_lines_for_a_reader_and_csv_on_stdout(inputs, model, capsys):
    words = ["--model", str(model), "--threads", "1"]
    assert main([str(inputs / "a*.??g"), str(inputs / "a.png"), *words]) == 0  # a pattern, and one file twice
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [str(inputs / "a.jpg"), str(inputs / "a.png")]
    assert main([str(inputs / "a.png"), *words, "--out", "-", "--min-confidence", "1", "--no-detect"]) == 0
    (row,) = csv.DictReader(capsys.readouterr().out.splitlines())
    assert (row["label"], row["x"]) == ("uncertain", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["x.png", "--out", "faces.xlsx"], "ends in .csv or .json"),
        (["x.png", "--out", "{tmp}/file/faces.csv"], "cannot be written"),
        (["x.png", "--model", "{tmp}/none.onnx"], "none.json is missing"),
        (["x.png", "--min-confidence", "50"], "from 0 to 1"),
        (["x.png", "--annotated", "{tmp}/file"], "cannot be made"),
        (["{tmp}/nothing"], "is not there"),
        (["{tmp}/empty"], "no images or videos"),
        (["--webcam", "97"], "webcam 97 cannot be opened"),
    ],
)
def test_what_is_typed_wrong_is_one_line(words, message, model, tmp_path, capsys):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    words = [word.format(tmp=tmp_path) for word in words]
    assert main([*words, *([] if "--model" in words else ["--model", str(model)])]) == 1
    told = capsys.readouterr()
    assert message in told.err
    assert "Traceback" not in told.err


@pytest.mark.parametrize("reader", ["full", "gone"])
def test_results_that_cannot_be_written(reader, clip, model):
    words = [sys.executable, "-W", "ignore", "-m", "ferlab.predict", clip, "--model", model, "--threads", "1"]
    with open("/dev/full", "w") as full:
        read, write = os.pipe()
        os.close(read)
        stdout = full if reader == "full" else write
        done = subprocess.run([*words, "--out", "-"], stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=120)
        os.close(write)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_nothing_typed_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "expected images, videos, folders or --webcam 0" in capsys.readouterr().err


# videos


def moving(n: int = 20) -> list[np.ndarray]:
    """Frames [240,320,3] of one drawn face that moves to the right; for the middle ones it is gone."""
    face = cv2.resize(draw(7, 7, 7, 1).pixels[1], (150, 150))
    out = []
    for i in range(n):
        frame = np.full((240, 320, 3), 110, np.uint8)
        if not n // 2 <= i < n // 2 + 2:
            frame[40:190, 20 + 4 * i : 170 + 4 * i] = face[..., None] // (2 if i > n // 2 else 1)
        out.append(frame)
    return out


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    file = VideoFile(path, 10, 320, 240)
    for frame in moving():
        file.add(frame)
    file.close()
    return path


def test_frames_of_a_video_have_their_times(clip):
    video = Video(clip)
    assert (video.fps, video.count, video.live) == (10, 20, False)
    read = list(video)
    np.testing.assert_allclose([frame.time_s for frame in read], np.arange(20) / 10, atol=1e-3)
    assert np.abs(read[0].image.astype(int) - moving()[0]).mean() < 4


def test_a_face_is_followed_and_smoothed(predictor, clip):
    raw = list(predictor.video(clip, time_constant_s=0))
    smooth = list(predictor.video(clip))
    assert [len(seen.faces) for seen in smooth] == [1] * 10 + [0] * 2 + [1] * 8
    assert {face.track for seen in smooth for face in seen.faces} == {0}  # gone for less than 0.6 s
    state, last = None, 0.0
    for before, after in zip(raw, smooth, strict=True):
        for one, two in zip(before.faces, after.faces, strict=True):
            kept = 0.0 if state is None else np.exp(-(before.time_s - last) / 0.25)
            state = one.probabilities if state is None else kept * state + (1 - kept) * one.probabilities
            last = before.time_s
            np.testing.assert_allclose(two.probabilities, state, atol=1e-4)
    assert {face.track for seen in predictor.video(clip, lost_s=0.25) for face in seen.faces} == {0, 1}


def test_video_on_the_command_line(clip, model, tmp_path, capsys):
    out, drawn = tmp_path / "clip.csv", tmp_path / "drawn"
    words = [str(clip), "--model", str(model), "--out", str(out), "--annotated", str(drawn), "--threads", "1"]
    assert main(words) == 0
    rows = list(csv.DictReader(out.open()))
    assert [int(row["frame"]) for row in rows] == list(range(20))
    assert [float(row["time_s"]) for row in rows] == pytest.approx(np.arange(20) / 10, abs=1e-3)
    assert [row["label"] for row in rows[10:12]] == ["no face"] * 2
    again = list(Video(drawn / "clip.faces.mp4"))
    assert len(again) == 20
    assert again[0].image.shape == (240, 320, 3)
    assert np.abs(again[0].image.astype(int) - moving()[0]).max() > 60  # something was drawn


def test_a_video_cut_short_gives_what_it_has(model, clip, tmp_path, capsys):
    whole = tmp_path / "whole.avi"
    writer = cv2.VideoWriter(str(whole), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    for frame in moving():
        writer.write(frame)
    writer.release()
    data = whole.read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:-3000])
    out = tmp_path / "cut.csv"
    words = [str(tmp_path / "cut.avi"), str(tmp_path / "cut.mp4"), str(whole), "--model", str(model), "--out", str(out)]
    assert main([*words, "--threads", "1"]) == 1
    rows = list(csv.DictReader(out.open()))
    assert 5 < sum(row["source"].endswith("cut.avi") for row in rows) < 15
    assert sum(row["source"].endswith("whole.avi") for row in rows) == 20
    told = capsys.readouterr().err
    assert "of 20 frames; it is damaged or cut short" in told
    assert "cut.mp4 is no readable video" in told


class Camera:
    """A webcam that is unplugged after eight frames, of which one comes late."""

    def __init__(self, index):
        self.frames = [photo()[..., ::-1]] * 8
        self.frames.insert(3, None)

    def isOpened(self):
        return True

    def get(self, key):
        return 0.0

    def read(self):
        frame = self.frames.pop(0) if self.frames else None
        return frame is not None, frame

    def release(self):
        self.frames = []


def test_a_webcam_that_is_unplugged(model, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(media.cv2, "VideoCapture", Camera)
    out = tmp_path / "faces.json"
    assert main(["--webcam", "0", "--model", str(model), "--out", str(out), "--threads", "1"]) == 1
    assert "webcam 0 gives no more frames after 8; is it still plugged in?" in capsys.readouterr().err
    found = json.loads(out.read_text())
    assert [len(entry["faces"]) for entry in found["pictures"]] == [1] * 8
    times = [entry["time_s"] for entry in found["pictures"]]
    assert times == sorted(times)
    assert main(["--webcam", "0", "--seconds", "0", "--model", str(model)]) == 0


def test_without_torch_lightning_or_hydra(model, inputs, clip, tmp_path):
    """In a process of its own where importing any of them fails."""
    code = """
import runpy, sys
blocked = {"torch", "torchvision", "pytorch_lightning", "lightning_fabric", "lightning", "hydra", "omegaconf", "timm",
           "albumentations", "wandb", "torchmetrics", "safetensors", "scipy", "matplotlib", "onnx", "pandas"}
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Block())
from ferlab.predict import Predictor
faces = Predictor(sys.argv[1])(sys.argv[2])
assert len(faces) == 1, faces
drawn = sys.argv.pop()
sys.argv = ["predict", *sys.argv[2:], "--model", sys.argv[1], "--annotated", drawn, "--out", "-"]
try:
    runpy.run_module("ferlab.predict", run_name="__main__")
finally:
    assert not blocked & {name.split(".")[0] for name in sys.modules}
"""
    words = [sys.executable, "-W", "ignore", "-c", code, model, inputs / "a.png", clip, tmp_path / "drawn"]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1 + 1 + 20
    assert "19 faces in 21 pictures" in done.stderr
