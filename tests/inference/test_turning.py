"""Turned faces: their geometry against numpy's rot90, and that they are cut out upright."""

import numpy as np
import pytest

from benchmarks.faces_in_scenes import scene
from ferlab.data.drawn import draw
from ferlab.inference.detector import Detection, FaceDetector
from ferlab.inference.framing import crop
from ferlab.inference.onnx_model import Margin
from ferlab.inference.turning import crop_of, turned, turned_box, upright
from tests.pictures import photo

MARGIN = Margin(1.17, 0.078)


@pytest.fixture(scope="module")
def find() -> FaceDetector:
    return FaceDetector(threads=1)


@pytest.mark.parametrize("turn", [-1, 0, 1, 2, 3, 4])
def test_points_and_boxes_move_as_the_pixels_do(turn):
    image = np.arange(5 * 8).reshape(5, 8)
    for y, x in np.ndindex(5, 8):
        ((column, row),) = turned(np.array([[x + 0.5, y + 0.5]]), (8, 5), turn)
        assert np.rot90(image, turn)[int(row), int(column)] == image[y, x]
    left, top, width, height = turned_box(np.array([1.0, 2, 4, 2]), (8, 5), turn).astype(int)
    part = np.rot90(image, turn)[top : top + height, left : left + width]
    assert sorted(part.ravel()) == sorted(image[2:4, 1:5].ravel())


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_a_turned_face_is_cut_out_as_the_upright_one(turn):
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    box = np.array([30.0, 20, 40, 44])
    lying = np.ascontiguousarray(np.rot90(image, -turn))  # so that `turn` makes it upright
    face = Detection(turned_box(box, (120, 90), -turn), 0.9, np.zeros((6, 2)), turn)
    np.testing.assert_array_equal(crop_of(lying, face, MARGIN), crop(image, box, *MARGIN))


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_what_is_left_of_the_tilt_after_quarter_turns_is_taken_out(turn):
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    box, eyes = np.array([30.0, 20, 40, 44]), np.array([[40.0, 30], [60, 45], *[[0, 0]] * 4])
    lying = np.ascontiguousarray(np.rot90(image, -turn))
    face = Detection(turned_box(box, (120, 90), -turn), 0.9, turned(eyes, (120, 90), -turn), turn)
    tilt = np.arctan2(15, 20) - np.radians(10)
    np.testing.assert_array_equal(crop_of(lying, face, MARGIN), crop(image, box, *MARGIN, tilt))


@pytest.mark.parametrize("tilt", [-40, -25, 0, 25, 40])
def test_the_crop_of_a_tilted_face_shows_it_tilted_by_ten_degrees_at_most(find, tilt):
    picture = scene(draw(7, 7, 7, 1).pixels[1], 240, tilt, 0)
    (face,) = find([picture])[0]
    wide = crop_of(picture, face, Margin(2.0, 0.078))[..., :3]
    (again,) = find([wide])[0]
    x, y = again.keypoints[1] - again.keypoints[0]
    assert abs(np.degrees(np.arctan2(y, x))) < 15  # the keypoints err by some degrees


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_a_drawn_face_is_found_in_its_turn(find, turn):
    (straight,) = find([photo()])[0]
    image = np.ascontiguousarray(np.rot90(photo(), -turn))
    found = max(find([image])[0], key=lambda face: face.score)
    face = upright(find, image, found)
    assert face.turn == turn
    assert face.score >= found.score
    size = image.shape[1], image.shape[0]
    np.testing.assert_allclose(turned_box(face.box, size, turn), straight.box, atol=40)
    np.testing.assert_allclose(turned(face.keypoints, size, turn), straight.keypoints, atol=40)


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_of_everyone_a_lying_face_is_cut_out_upright_by_its_turn_or_its_eyes(find, turn):
    image = np.ascontiguousarray(np.rot90(photo(), -turn))
    found = max(find([image], everyone=True)[0], key=lambda face: face.score)
    wide = crop_of(image, upright(find, image, found), Margin(2.0, 0.078))[..., :3]
    (again,) = find([wide])[0]
    x, y = again.keypoints[1] - again.keypoints[0]
    assert abs(np.degrees(np.arctan2(y, x))) < 15


def test_a_face_that_is_sure_or_surer_in_no_turn_stays_as_it_is(find, monkeypatch):
    face = Detection(np.array([5.0, 5, 20, 20]), 0.9, np.zeros((6, 2)))
    image = np.zeros((40, 40, 3), np.uint8)
    middle = np.array([12.0, 12, 20, 20])  # of the 44 pixels that are shown

    def scores(*values, box=middle):
        def look(images, range_, least):
            return [[Detection(box, value, np.zeros((6, 2)))] if value else [] for value in values]

        return look

    monkeypatch.setattr(find, "look", None)  # nobody asks
    assert upright(find, image, face) is face
    unsure = Detection(face.box, 0.6, face.keypoints)
    for look in (
        scores(0, 0, 0, 0),
        scores(0.6, 0, 0.69, 0),
        scores(0.3, 0, 0.69, 0),
        scores(0.75, 0, 0.8, 0),
        scores(0.5, 0, 0.9, 0, box=middle - (12, 0, 0, 0)),
    ):
        monkeypatch.setattr(find, "look", look)
        assert upright(find, image, unsure) is unsure
    monkeypatch.setattr(find, "look", scores(0.5, 0, 0.9, 0))
    assert (upright(find, image, unsure).turn, upright(find, image, unsure).score) == (2, 0.9)
