"""`python -m ferlab.predict` with a model whose answer a test can compute, and every input that is no picture."""

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferlab import predict
from ferlab.expressions import EXPRESSIONS
from ferlab.inference import video
from ferlab.inference.video import Video
from ferlab.predict import Predictor, main
from tests.pictures import damaged_avi, moving, photo, two_faces, write_clip, write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """A folder with pictures of every kind, good and bad."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "Ümlaut folder").mkdir(parents=True)
    image = Image.fromarray(photo())
    image.save(folder / "a.png")
    image.save(folder / "a.jpg", quality=95)
    Image.fromarray(two_faces()).save(folder / "Ümlaut folder" / "two faces.webp", quality=95)
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
    (folder / "notes.txt").write_text("no input")
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
    printed = capsys.readouterr().err
    for name in BAD | {"gone.png"}:
        assert name in printed, name
    assert "left out 1 file (1 .txt)" in printed
    assert "Traceback" not in printed
    assert "11 faces in 12 pictures; no face in 2" in printed
    assert f"{len(BAD) + 1} inputs failed" in printed
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
        (["x.png", "--min-confidence", "nan"], "from 0 to 1"),
        (["x.png", "--min-score", "nan"], "between 0 and 1"),
        (["x.png", "--batch", "0"], "expected 1 or more"),
        *((["x.png", "--smooth-ms", word], f"--smooth-ms is {float(word)}; expected") for word in ("nan", "-1", "inf")),
        *((["x.png", "--seconds", word], f"--seconds is {float(word)}; expected") for word in ("nan", "-1", "inf")),
        *((["x.png", "--threads", word], f"--threads is {word}; expected") for word in ("-1", "99999")),
        (["--webcam", "-1"], "--webcam is -1; expected a number from 0 to 1000"),
        (["x.png", "--annotated", "{tmp}/file"], "cannot be made"),
        (["{tmp}/nothing"], "is not there"),
        (["{tmp}/empty"], "no images or videos"),
        (
            ["https://x.org/a.jpg"],
            "https://x.org/a.jpg is an address, and nothing is read from the network; download it",
        ),
        (["--webcam", "97"], "webcam 97 cannot be opened"),
    ],
)
def test_what_is_typed_wrong_is_one_line(words, message, model, tmp_path, capsys):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    words = [word.format(tmp=tmp_path) for word in words]
    assert main([*words, *([] if "--model" in words else ["--model", str(model)])]) == 1
    printed = capsys.readouterr()
    assert message in printed.err
    assert "Traceback" not in printed.err


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


def test_ctrl_c_while_the_model_is_opened_is_one_line(monkeypatch, capsys):
    def interrupted(*args, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(predict, "Predictor", interrupted)
    assert main(["a.png"]) == 130
    assert capsys.readouterr().err == "ferlab: stopped by Ctrl-C\n"


@pytest.mark.parametrize(("kind", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_command_leaves_whole_files(kind, status, model, tmp_path):
    video = damaged_avi(tmp_path / "long.avi", [], frames=2000)
    out, drawn = tmp_path / "faces.json", tmp_path / "drawn"
    words = [sys.executable, "-W", "ignore", "-m", "ferlab.predict", video, "--model", model, "--out", out]
    words += ["--annotated", drawn, "--threads", "1"]
    listens = partial(signal.signal, signal.SIGINT, signal.default_int_handler)  # what runs in the background may not
    command = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, preexec_fn=listens)
    until = time.monotonic() + 60
    while not (out.is_file() and out.stat().st_size > 20_000) and time.monotonic() < until:
        time.sleep(0.02)
    command.send_signal(kind)
    _, printed = command.communicate(timeout=60)
    assert command.returncode == status, printed
    found = json.loads(out.read_text())
    assert found["stopped"] == kind.name
    assert 10 < len(found["pictures"]) < 2000
    assert len(list(Video(drawn / "long.faces.mp4"))) >= len(found["pictures"]) - 1
    assert f"stopped by {kind.name}" in printed
    assert "Traceback" not in printed


def test_a_terminal_without_utf8_gets_escapes(model, tmp_path):
    Image.fromarray(photo()).save(tmp_path / "ü写.png")
    words = [sys.executable, "-W", "ignore", "-m", "ferlab.predict", tmp_path, "--model", model, "--threads", "1"]
    done = subprocess.run(words, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(b"\t")[0].endswith(b"/\\xfc\\u5199.png")


def test_the_home_folder_counts_where_no_shell_expands_it(monkeypatch, tmp_path, model, inputs):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main([str(inputs / "a.png"), "--model", str(model), "--out=~/x.csv", "--annotated=~/drawn"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"x.csv", "drawn"}


def test_nothing_typed_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "expected images, videos, folders, --webcam 0 or --list" in capsys.readouterr().err


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
    whole = damaged_avi(tmp_path / "whole.avi", [])
    data = whole.read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:-3000])
    out = tmp_path / "cut.csv"
    words = [str(tmp_path / "cut.avi"), str(tmp_path / "cut.mp4"), str(whole), "--model", str(model), "--out", str(out)]
    assert main([*words, "--threads", "1"]) == 1
    rows = list(csv.DictReader(out.open()))
    assert 5 < sum(row["source"].endswith("cut.avi") for row in rows) < 15
    assert sum(row["source"].endswith("whole.avi") for row in rows) == 20
    printed = capsys.readouterr().err
    assert "of 20 frames; it is damaged or cut short" in printed
    assert "cut.mp4 is no readable video" in printed


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
    monkeypatch.setattr(video.cv2, "VideoCapture", Camera)
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


def test_the_models_are_listed_without_any_input(capsys):
    assert predict.main(["--list"]) == 0
    said = capsys.readouterr().out
    assert "five_layer" in said
    assert "face_short" in said
