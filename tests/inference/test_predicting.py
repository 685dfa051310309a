"""A session over good and bad inputs, without the command line."""

import csv
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferlab.errors import FerlabError
from ferlab.inference.affect_plot import AffectPlot
from ferlab.inference.annotate import AnnotatedFolder
from ferlab.inference.predicting import Session
from ferlab.inference.prediction_files import Predictions
from ferlab.inference.predictor import Predictor
from ferlab.inference.video import Video
from tests.pictures import photo, write_clip, write_model


@pytest.fixture
def session(tmp_path):
    predictor = Predictor(write_model(tmp_path), min_confidence=0.99, threads=1)
    out = Predictions(str(tmp_path / "faces.csv"), "fer2013", predictor.provenance)
    return Session(predictor, out, AnnotatedFolder(tmp_path / "drawn"))


def test_pictures_and_clips_are_counted_and_one_that_fails_stops_no_other(session, tmp_path, capsys):
    Image.fromarray(photo()).save(tmp_path / "a.png")
    Image.new("L", (50, 50)).save(tmp_path / "black.png")
    (tmp_path / "bad.png").write_text("no picture")
    typed = [str(tmp_path / name) for name in ("bad.png", "a.png", "black.png", "gone.png")]
    assert session.run([*typed, str(write_clip(tmp_path))]) == 1
    assert (session.pictures, session.faces, session.uncertain, session.without) == (22, 19, 19, 3)
    assert [source for source, _ in session.failures] == [typed[3], typed[0]]
    printed = capsys.readouterr().err
    assert printed.splitlines()[-1] == session.summary()
    assert "19 faces in 22 pictures; 19 uncertain; no face in 3" in session.summary()
    assert session.summary().endswith("2 inputs failed")
    names = sorted(path.name for path in (tmp_path / "drawn").iterdir())
    assert names == ["a.faces.jpg", "black.faces.jpg", "clip.faces.mp4"]
    assert len(list(csv.DictReader((tmp_path / "faces.csv").open()))) == 22


@pytest.mark.parametrize(
    ("kind", "webcam", "status"),
    [(signal.SIGINT, None, 130), (signal.SIGTERM, None, 143), (signal.SIGINT, 0, 0), (signal.SIGTERM, 0, 143)],
)
def test_a_signal_keeps_what_was_written(session, tmp_path, monkeypatch, capsys, kind, webcam, status):
    def stopped(typed, camera):
        session.out.add("a.png", (9, 9), [])
        os.kill(os.getpid(), kind)
        session.out.add("b.png", (9, 9), [])

    monkeypatch.setattr(session, "_predict", stopped)
    assert session.run([], webcam) == status
    assert len((tmp_path / "faces.csv").read_text().splitlines()) == 2
    words = f"stopped by {kind.name}: what came after it is missing"
    assert (words in capsys.readouterr().err) == bool(status)


def test_a_video_that_is_stopped_leaves_whole_files(session, tmp_path, monkeypatch):
    session.out = Predictions(str(tmp_path / "faces.json"), "fer2013", {})
    add = session.out.add

    def stopped(*frame):
        add(*frame)
        if frame[3] == 11:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(session.out, "add", stopped)
    assert session.run([str(write_clip(tmp_path))]) == 143
    found = json.loads((tmp_path / "faces.json").read_text())
    assert [entry["frame"] for entry in found["pictures"]] == list(range(12))
    assert found["stopped"] == "SIGTERM"
    assert len(list(Video(tmp_path / "drawn" / "clip.faces.mp4"))) == 11


def test_file_names_of_any_bytes_are_read_and_shown_escaped(session, tmp_path, capsys):
    folder = tmp_path / "odd"
    folder.mkdir()
    names = [os.fsdecode(name) for name in (b"caf\xe9.png", b"new\nline\x1b[31m.png", b"[red].png")]
    for name in names:
        Image.fromarray(photo()).save(folder / name)
        (folder / f"bad{name}").touch()
    os.rename(write_clip(tmp_path), folder / os.fsdecode(b"[b]caf\xe9.mp4"))
    assert session.run([str(folder)]) == 1
    rows = list(csv.DictReader((tmp_path / "faces.csv").open(encoding="utf-8")))
    shown = {"caf\\udce9.png", "new\\nline\\x1b[31m.png", "[red].png", "[b]caf\\udce9.mp4"}
    assert {Path(row["source"]).name for row in rows} == shown
    printed = capsys.readouterr().err
    assert "\x1b[31m" not in printed
    assert len(printed.splitlines()) == 4
    drawn = {path.name for path in (tmp_path / "drawn").iterdir()}
    assert drawn == {"caf_udce9.faces.jpg", "new_nline_x1b[31m.faces.jpg", "[red].faces.jpg", "[b]caf_udce9.faces.mp4"}


def test_annotated_files_that_cannot_be_written_end_the_session(session, tmp_path, capsys):
    Image.fromarray(photo()).save(tmp_path / "a.png")
    (tmp_path / "drawn" / "a.faces.jpg").mkdir()
    assert session.run([str(tmp_path / "a.png")]) == 1
    assert isinstance(session.failures[0], tuple)
    assert "a.faces.jpg cannot be written" in capsys.readouterr().err


def test_provenance_names_the_model_and_the_threshold(session):
    found = session.predictor.provenance
    assert (found["model"], found["min_confidence"], len(found["sha256"])) == ("grey.onnx", 0.99, 64)
    with pytest.raises(FerlabError, match="expected a number from 0 to 1"):
        Predictor(session.predictor.model, min_confidence=2)
    assert np.isfinite(session.predictor(photo())[0].probabilities).all()


def test_a_plot_shows_the_clips_and_without_one_is_a_failure(session, tmp_path):
    Image.fromarray(photo()).save(tmp_path / "a.png")
    session.plot = AffectPlot(tmp_path / "affect.svg")
    assert session.run([str(tmp_path / "a.png")]) == 1
    assert session.failures == [(str(tmp_path / "affect.svg"), session.failures[0][1])]
    session.failures.clear()
    session.out = Predictions(None, "fer2013", {})
    assert session.run([str(write_clip(tmp_path))]) == 0
    assert "clip.mp4" in (tmp_path / "affect.svg").read_text()
