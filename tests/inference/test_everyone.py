"""Tiles that cover a picture, and small faces in large pictures."""

from itertools import pairwise

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from benchmarks.small_faces import hits, measure, scene
from ferlab.data.drawn import draw
from ferlab.inference import everyone
from ferlab.inference.detector import Detection, FaceDetector
from ferlab.inference.everyone import TILE, every_face, tiles


@pytest.fixture(scope="module")
def find() -> FaceDetector:
    return FaceDetector(threads=1)


@hypothesis.settings(derandomize=True, max_examples=200, deadline=None)
@hypothesis.given(st.integers(1, 9000), st.integers(1, 6000))
def test_tiles_cover_a_picture_and_overlap_by_a_quarter(width, height):
    places = tiles(width, height)
    if not places:
        assert max(width, height) < 1.5 * max(TILE, np.ceil(max(width, height) / 5))
        return
    assert len(places) <= 49
    for axis, length in ((0, width), (1, height)):
        spans = sorted({(place[axis], place[axis + 2]) for place in places})
        assert (spans[0][0], spans[-1][1]) == (0, length)
        for (start, end), (following, _) in pairwise(spans):
            assert end - following >= (end - start) / 4 - 1
    sides = {place[2] - place[0] for place in places} | {place[3] - place[1] for place in places}
    assert max(sides) == min(max(TILE, -(-max(width, height) // 5)), max(width, height))


def test_ordinary_pictures_have_no_tiles_and_full_hd_has_fifteen():
    assert tiles(640, 480) == tiles(800, 600) == []
    assert len(tiles(1920, 1080)) == 15
    assert tiles(1080, 1920)[-1] == (540, 1380, 1080, 1920)


@pytest.mark.parametrize(("side", "least"), [(60, 5), (100, 7)])
def test_small_faces_of_a_large_picture_are_found(find, side, least):
    picture, places = scene(draw(8, 7, 7, 1).pixels[:8], side, 1)
    found = every_face(find, [picture])[0]
    assert sum(face is not None for face in hits(found, places, side)) >= least
    assert sum(face is not None for face in hits(find([picture], everyone=True)[0], places, side)) == 0
    assert [face.score for face in found] == sorted((face.score for face in found), reverse=True)


@pytest.mark.parametrize(
    ("box", "score", "hidden"),
    [
        ((2, 2, 9, 9), 0.9, True),
        ((5, 0, 10, 10), 0.9, False),
        ((1, 1, 4.9, 4.9), 0.9, False),
        ((1, 1, 4.9, 4.9), 0.5, True),
        ((1, 1, 5.1, 5.1), 0.9, True),
    ],
)
def test_a_doubtful_large_box_hides_no_small_face(box, score, hidden):
    known = Detection(np.array([0.0, 0, 10, 10]), 0.6, np.zeros((6, 2)))
    assert everyone._hides(known, Detection(np.array(box, float), score, np.zeros((6, 2)))) == hidden


def test_a_face_that_a_tile_cuts_comes_from_the_next_tile(find, monkeypatch):
    """Each tile is asked for one face; those that reach beyond an edge which is not the picture's are left out."""
    monkeypatch.setattr(everyone, "tiles", lambda width, height: [(0, 0, 540, 540), (405, 0, 945, 540)])
    boxes = {
        (-40.0, -30, 100, 100): (True, False),  # beyond the picture's corner; in the second tile cut on the left
        (470.0, 100, 100, 100): (False, True),  # beyond the right edge
        (200.0, 500, 100, 100): (True, True),  # beyond the lower edge, which is the picture's
    }
    image = np.zeros((540, 945, 3), np.uint8)
    for box, kept in boxes.items():
        face = Detection(np.array(box), 0.9, np.zeros((6, 2)))
        monkeypatch.setattr(find, "look", lambda images, range_, least, face=face: [[face] for _ in images])
        lefts = [one.box[0] for one in everyone._in_tiles(find, image)]
        assert lefts == [left for left, keep in zip((box[0], box[0] + 405), kept, strict=True) if keep]


def test_a_face_in_a_tile_must_be_surer_unless_a_score_is_wanted(monkeypatch):
    leasts = []
    for score in (None, 0.3):
        find = FaceDetector(score, threads=1)
        monkeypatch.setattr(find, "look", lambda images, range_, least: leasts.append(least) or [[] for _ in images])
        everyone._in_tiles(find, np.zeros((1080, 1920, 3), np.uint8))
    assert leasts == [0.55, 0.3]


def test_the_benchmark_counts_faces_and_turns(find):
    row = measure(find, draw(8, 7, 7, 1).pixels[:4], 150, turn=2, together=4)
    assert (row["side_px"], row["turned_by"], row["faces"]) == (150, 180, 4)
    assert row["whole"]["given_a_turn"] == row["whole"]["upright"] == 0
    assert 2 <= row["every_face"]["upright"] <= row["every_face"]["found"] <= 4
