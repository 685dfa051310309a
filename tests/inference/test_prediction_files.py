"""CSV, JSON and lines of the same faces."""

import csv
import json
import os

import numpy as np
import pytest

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.inference.detector import Detection
from ferlab.inference.prediction_files import NO_FACE, Predictions
from ferlab.inference.results import UNCERTAIN, Face

PROBABILITIES = np.array([0.04, 0.01, 0.05, 0.6, 0.1, 0.15, 0.05], np.float32)
FOUND = Detection(np.array([10.04, 20, 30, 40.06]), 0.87654, np.arange(12.0).reshape(6, 2))
FACE, WHOLE = Face("happy", 0.6, PROBABILITIES, FOUND, 3), Face(UNCERTAIN, 0.6, PROBABILITIES)


def written(out, order="fer2013", failures=()):
    file = Predictions(out, order, {"model": "m.onnx"})
    file.add("a.png", (64, 48), [FACE, WHOLE])
    file.add("clip.mp4", (64, 48), [], 7, 0.7)
    file.close(failures)


def test_a_row_a_face_and_one_where_there_is_none(tmp_path):
    written(str(tmp_path / "new" / "faces.csv"))
    first, second, third = csv.DictReader((tmp_path / "new" / "faces.csv").open())
    assert (first["source"], first["frame"], first["face"], first["track"]) == ("a.png", "", "0", "3")
    assert [first[key] for key in ("x", "y", "width", "height", "score")] == ["10.0", "20.0", "30.0", "40.1", "0.8765"]
    assert [float(first[name]) for name in EXPRESSIONS] == pytest.approx(PROBABILITIES.tolist(), abs=1e-6)
    assert list(first)[-2:] == ["valence", "arousal"]  # after all columns that were there before
    by_hand = -0.51 * 0.04 - 0.6 * 0.01 - 0.64 * 0.05 + 0.81 * 0.6 - 0.63 * 0.1 + 0.4 * 0.15
    assert float(first["valence"]) == pytest.approx(by_hand, abs=1e-4)
    assert (second["label"], second["confidence"], second["x"]) == (UNCERTAIN, "0.6000", "")
    assert (third["frame"], third["time_s"], third["label"]) == ("7", "0.7000", NO_FACE)


def test_json_in_another_order_with_its_failures(tmp_path):
    written(str(tmp_path / "faces.json"), "ferplus", [("b.png", "damaged")])
    found = json.loads((tmp_path / "faces.json").read_text())
    assert (found["model"], found["label_order"], found["labels"][:2]) == (
        "m.onnx",
        "ferplus",
        ["neutral", "happiness"],
    )
    picture, frame = found["pictures"]
    assert (picture["source"], picture["width"], picture["height"]) == ("a.png", 64, 48)
    assert "frame" not in picture
    assert picture["faces"][0]["label"] == "happiness"
    assert picture["faces"][0]["probabilities"][:2] == pytest.approx([0.05, 0.6])
    assert picture["faces"][0]["keypoints"][1] == [2.0, 3.0]
    arousal = 0.59 * 0.04 + 0.35 * 0.01 + 0.6 * 0.05 + 0.51 * 0.6 - 0.27 * 0.1 + 0.67 * 0.15
    assert picture["faces"][0]["arousal"] == pytest.approx(arousal, abs=1e-4)
    assert (picture["faces"][1]["label"], picture["faces"][1].get("box")) == (UNCERTAIN, None)
    assert (frame["frame"], frame["time_s"], frame["faces"]) == (7, 0.7, [])
    assert found["failed"] == [{"source": "b.png", "error": "damaged"}]
    assert found["stopped"] is None


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=cmd|'/c calc'!A1.png", "'=cmd|'/c calc'!A1.png"),
        ("+1.png", "'+1.png"),
        ("-1.png", "'-1.png"),
        ("@SUM(A1).png", "'@SUM(A1).png"),
        ("\t=1.png", "\\t=1.png"),
        ("\r=1.png", "\\r=1.png"),
        ("a=1.png", "a=1.png"),
        (os.fsdecode(b"caf\xe9.png"), "caf\\udce9.png"),
    ],
)
def test_file_names_in_a_table_are_text_and_everywhere_utf8(tmp_path, capsys, name, cell):
    for out in ("faces.csv", "faces.json", None):
        file = Predictions(out and str(tmp_path / out), "fer2013", {"model": name})
        file.add(name, (64, 48), [FACE])
        file.close([])
    (row,) = csv.DictReader((tmp_path / "faces.csv").open(encoding="utf-8"))
    assert row["source"] == cell
    assert float(row["x"]) == 10
    found = json.loads((tmp_path / "faces.json").read_text(encoding="utf-8"))
    assert found["pictures"][0]["source"] == found["model"] == cell.removeprefix("'")
    assert capsys.readouterr().out.split("\t")[0] == cell.removeprefix("'")


def test_lines_for_a_reader(capsys):
    written(None)
    assert capsys.readouterr().out.splitlines() == [
        "a.png\thappy 60% at 10,20 size 30x40 #3",
        "a.png\tuncertain 60%",
        "clip.mp4 0.70 s\tno face",
    ]


def test_other_suffixes_and_orders_are_refused(tmp_path):
    with pytest.raises(FerlabError, match=r"ends in \.csv or \.json"):
        Predictions("faces.txt", "fer2013", {})
    with pytest.raises(FerlabError, match="label order is 'fer'"):
        Predictions(None, "fer", {})
    (tmp_path / "file").touch()
    with pytest.raises(FerlabError, match="choose another place for out"):
        Predictions(str(tmp_path / "file" / "faces.csv"), "fer2013", {})
