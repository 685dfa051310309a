"""Cards of data sets: what is counted and which files are meant."""

import json

import numpy as np
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
