"""Tracks and smoothing against the closed form of an exponential."""

import numpy as np
import pytest

from ferlab.errors import FerlabError
from ferlab.inference.tracks import Tracks

HERE, THERE = np.array([10.0, 10, 50, 50]), np.array([200.0, 10, 60, 60])
A, B = np.eye(7, dtype=np.float32)[[0]], np.eye(7, dtype=np.float32)[[3]]


@pytest.mark.parametrize("fps", [5, 24, 30, 120])
def test_smoothing_does_not_depend_on_the_frame_rate(fps):
    tracks = Tracks()
    tracks.update(0.0, [HERE], A)
    for frame in range(1, fps + 1):
        _, smoothed = tracks.update(frame / fps, [HERE], B)
        expected = 1 - np.exp(-frame / fps / 0.25)
        assert smoothed[0, 3] == pytest.approx(expected, abs=1e-5)
        assert smoothed[0].sum() == pytest.approx(1, abs=1e-5)


def test_the_first_frame_is_as_it_is_and_without_a_time_constant_every_one():
    assert Tracks().update(3.0, [HERE], A)[1].tolist() == A.tolist()
    tracks = Tracks(time_constant_s=0)
    tracks.update(0.0, [HERE], A)
    assert tracks.update(0.01, [HERE], B)[1].tolist() == B.tolist()


def test_each_face_keeps_its_number_and_its_own_past():
    tracks = Tracks()
    assert tracks.update(0.0, [HERE, THERE], np.concatenate([A, B]))[0] == [0, 1]
    numbers, smoothed = tracks.update(0.1, [THERE + 5, HERE - 3], np.concatenate([B, A]))  # in another order
    assert numbers == [1, 0]
    np.testing.assert_allclose(smoothed, np.concatenate([B, A]), atol=1e-6)
    assert tracks.update(0.2, [HERE, HERE + 300], np.concatenate([A, B]))[0] == [0, 2]


@pytest.mark.parametrize(("away", "number"), [(0.59, 0), (0.61, 1)])
def test_a_face_that_was_lost_starts_anew(away, number):
    tracks = Tracks()
    tracks.update(1.0, [HERE], A)
    for t in np.arange(1.1, 1 + away, 0.1):
        assert tracks.update(t, [], np.zeros((0, 7), np.float32))[0] == []
    numbers, smoothed = tracks.update(1 + away, [HERE], B)
    assert numbers == [number]
    if number:
        assert smoothed.tolist() == B.tolist()
    else:
        assert smoothed[0, 3] == pytest.approx(1 - np.exp(-away / 0.25), abs=1e-5)


def test_two_boxes_on_one_face_take_the_track_once():
    tracks = Tracks()
    tracks.update(0.0, [HERE], A)
    numbers, _ = tracks.update(0.1, [HERE + np.array([8, 0, 0, 0]), HERE], np.concatenate([A, A]))
    assert numbers == [1, 0]


def test_time_that_goes_back_does_not_undo_anything():
    tracks = Tracks()
    tracks.update(1.0, [HERE], A)
    assert tracks.update(0.5, [HERE], B)[1].tolist() == A.tolist()


@pytest.mark.parametrize("constant", [-0.1, float("nan"), float("inf")])
def test_a_time_constant_that_is_none_is_refused(constant):
    with pytest.raises(FerlabError, match=r"time_constant_s is .*; expected a number of seconds"):
        Tracks(constant)
