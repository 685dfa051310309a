"""Boxes and words on pictures, and the files of them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferlab.errors import FerlabError
from ferlab.inference.annotate import AnnotatedFolder, annotated
from ferlab.inference.detector import Detection
from ferlab.inference.results import UNCERTAIN, Face

UNIFORM = np.full(7, 1 / 7, np.float32)


def face(label="happy", box=(100, 120, 80, 90)):
    return Face(label, 0.93, UNIFORM, Detection(np.array(box, float), 0.9, np.zeros((6, 2))))


def test_a_box_and_a_label_are_drawn_on_a_copy():
    image = np.zeros((300, 400, 3), np.uint8)
    drawn = annotated(image, [face()])
    assert not image.any()
    assert drawn.shape == image.shape
    assert (drawn[120, 100:181] == (80, 220, 120)).all()  # the upper edge of the box
    assert not drawn[130:200, 110:170].any()  # the face itself is left free
    assert drawn[100:118, 100:200].any()  # the label above it
    unsure = annotated(image, [face(UNCERTAIN)])
    assert (unsure[120, 100:181] == 190).all()


def test_a_small_picture_is_enlarged_by_a_whole_number():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    drawn = annotated(image, [])
    assert drawn.shape == (240, 240, 3)
    np.testing.assert_array_equal(drawn[::120, ::120], image)


def test_a_whole_picture_without_a_box_has_its_label_in_the_corner():
    drawn = annotated(np.zeros((240, 240, 3), np.uint8), [Face("sad", 0.5, UNIFORM)])
    assert drawn[:30, :60].any()
    assert not drawn[60:].any()


def test_no_two_files_have_one_name(tmp_path):
    folder = AnnotatedFolder(tmp_path / "deep" / "out")
    image = np.full((5, 5, 3), 200, np.uint8)
    for name in ("a.png", "a.jpg", "b.png"):
        folder.save(Path(name), image)
    assert folder.place(Path("a.mp4"), ".mp4").name == "a.faces.mp4"
    assert sorted(path.name for path in folder.folder.iterdir()) == ["a-2.faces.jpg", "a.faces.jpg", "b.faces.jpg"]
    assert np.asarray(Image.open(folder.folder / "b.faces.jpg")).mean() == pytest.approx(200, abs=2)


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FerlabError, match="choose another for --annotated"):
        AnnotatedFolder(tmp_path / "file")
    folder = AnnotatedFolder(tmp_path / "out")
    (tmp_path / "out" / "a.faces.jpg").mkdir()
    with pytest.raises(FerlabError, match=r"a\.faces\.jpg cannot be written"):
        folder.save(Path("a.png"), np.zeros((5, 5, 3), np.uint8))
