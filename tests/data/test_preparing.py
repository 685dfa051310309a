"""Cards of data sets: what is counted and which files are meant."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from ferlab.data import sources
from ferlab.data.preparing import prepare
from tests.data.conftest import write_classes, write_csv


def test_a_card_counts_faces_duplicates_and_twins(tmp_path):
    write_csv(tmp_path / "fer2013" / "fer2013.csv")
    write_classes(tmp_path / "aux", each=2)
    main = sources.read("fer2013", tmp_path / "fer2013")
    Image.fromarray(main.pixels[1]).save(tmp_path / "aux" / "happy" / "of val.png")
    Image.fromarray(np.zeros((48, 48), np.uint8)).save(tmp_path / "aux" / "sad" / "black.png")
    data = {"root": str(tmp_path), "sources": [{"name": "fer", "layout": "fer2013", "path": "fer2013"}]}
    data["auxiliary"] = [{"name": "aux", "layout": "class_folders", "path": "aux"}]
    first, second = prepare({"data": data, "near": False})
    assert first["counts"] == {split: main.class_counts(split) for split in ("train", "val", "test")}
    assert (first["name"], first["faces"], first["subjects"], first["raw_files"]) == ("fer", 12, 0, 1)
    assert first["md5"]["file"] == "fer2013.csv"
    assert first["md5"]["found"] != first["md5"]["published"]
    assert "auxiliary" not in first
    assert (second["name"], second["faces"], second["raw_files"]) == ("aux-train", 16, 16)
    assert second["in_val_or_test"] == {"exact": 1, "mirrored": 0, "near": 0}
    assert second["duplicates"]["constant"] == 1
    assert json.loads((tmp_path / "stores" / "fer" / "card.json").read_text()) == first
    again = prepare({"data": data, "near": True})[0]
    assert again["duplicates"]["near"]["of val in train"] == 0
    assert again["pixels_sha256"] == first["pixels_sha256"]


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_a_card_names_what_was_left_out_also_when_nothing_is_read_again(tmp_path, caplog, packed):
    write_classes(tmp_path / "faces", names=("happy", "sad", "contempt"))
    (tmp_path / "faces" / "README").write_text("read me")
    (tmp_path / "faces" / "sad" / "2.png").write_text("no image")
    if packed:
        shutil.make_archive(str(tmp_path / "faces"), "zip", tmp_path / "faces")
        shutil.rmtree(tmp_path / "faces")
    entry = {"name": "faces", "layout": "class_folders", "path": "faces", "strict": False}
    expected = [
        "left out 1 files that are none of its faces, as README",
        "left out 4 faces of classes that FER2013 lacks",
        "left out 1 of 8 files; the first: sad/2.png is no readable image",
    ]
    for _ in "ab":
        with caplog.at_level("INFO"):
            (card,) = prepare({"data": {"root": str(tmp_path), "sources": [entry]}, "near": False})
        assert card["faces"] == 7
        assert [line[: len(start)] for line, start in zip(card["left_out"], expected, strict=True)] == expected
        assert str(tmp_path) not in str(card["left_out"])
        assert "/tmp" not in str(card["left_out"])
