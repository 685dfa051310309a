"""Many image files, good and bad, as faces."""

import numpy as np
import pytest

from ferlab.data import sources
from ferlab.data.sources.images import decode_all
from ferlab.errors import FerlabError
from tests.data.sources.raw import class_tree, save


def test_a_bad_image_is_named_or_counted(tmp_path, caplog):
    class_tree(tmp_path, ["happy", "sad"])
    (tmp_path / "sad" / "2.png").write_text("no image")
    with pytest.raises(FerlabError, match=r"sad/2\.png"):
        sources.read("class_folders", tmp_path)
    faces = sources.read("class_folders", tmp_path, strict=False)
    assert len(faces) == 7
    assert [faces.origin(i) for i in (5, 6)] == ["sad/1.png", "sad/3.png"]
    assert "left out 1 of 8 files" in caplog.text
    assert "2.png" in caplog.text


def test_boxes_belong_to_their_files(tmp_path):
    half = np.zeros((96, 96), np.uint8)
    half[:, 48:] = 255
    paths = [save(tmp_path / f"{k}.png", half) for k in range(3)]
    faces, index = decode_all(paths, True, [(0, 0, 48, 48), "centre", (48, 0, 96, 48)])
    assert index.tolist() == [0, 1, 2]
    assert [face.max() for face in faces] == [0, 255, 255]
    assert [face.min() for face in faces] == [0, 0, 255]
    paths[1].write_text("no image")
    faces, index = decode_all(paths, False)
    assert (len(faces), index.tolist()) == (2, [0, 2])
