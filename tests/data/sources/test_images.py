"""Many image files, good and bad, as faces."""

import numpy as np
import pytest
from PIL import Image

from ferlab.data import sources
from ferlab.data.sources.images import Item, decode_all
from ferlab.errors import FerlabError
from ferlab.inference import models
from ferlab.inference.detector import FaceDetector
from ferlab.inference.framing import square
from ferlab.inference.onnx_model import OnnxModel
from tests.data.sources.raw import class_tree, picture, save
from tests.pictures import photo


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
    boxes = [(0, 0, 48, 48), "centre", (48, 0, 96, 48)]
    faces, index = decode_all([Item(path, "", box=box) for path, box in zip(paths, boxes, strict=True)], True)
    assert index.tolist() == [0, 1, 2]
    assert [face.max() for face in faces] == [0, 255, 255]
    assert [face.min() for face in faces] == [0, 0, 255]
    paths[1].write_text("no image")
    faces, index = decode_all([Item(path, "") for path in paths], False)
    assert (len(faces), index.tolist()) == (2, [0, 2])


@pytest.mark.parametrize(("height", "width"), [(90, 60), (60, 90), (60, 60), (48, 48)])
def test_of_a_picture_that_is_not_square_the_centre_is_taken(tmp_path, height, width):
    values = picture(height, width)
    path = save(tmp_path / "happy" / "1.png", values)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    centre, whole = (
        np.asarray(Image.fromarray(part).resize((48, 48), Image.Resampling.BILINEAR)).astype(int)
        for part in (values[top : top + side, left : left + side], values)
    )
    (found,) = sources.read("class_folders", tmp_path, split="train").pixels
    assert np.abs(found - centre).max() <= 1  # antialiasing looks a little beyond a box
    assert np.array_equal(decode_all([Item(path, "")], True, "stretch")[0][0], whole)
    assert (np.abs(whole - centre).max() > 10) == (height != width)


def test_the_face_is_cut_out_by_the_detector(tmp_path):
    image = photo(side=250)
    path = save(tmp_path / "a.png", image)
    (found,), _ = decode_all([Item(path, "")], True, "face")
    ((detection,),) = FaceDetector()([image])
    left, top, side = square(detection.box, *OnnxModel.open(models.find("five_layer")).margin)
    expected = Image.fromarray(image).convert("L").crop((left, top, left + side, top + side))
    assert np.abs(found.astype(int) - np.asarray(expected.resize((48, 48), Image.Resampling.BILINEAR))).max() <= 2
    blank = save(tmp_path / "b.png", np.full((200, 300), 90, np.uint8))
    with pytest.raises(FerlabError, match=r"b\.png: no face was found; take its centre with crop: centre"):
        decode_all([Item(blank, "")], True, "face")
    assert decode_all([Item(blank, ""), Item(path, "")], False, "face")[1].tolist() == [1]
