"""The predictor with a model whose answer a test can compute."""

import json
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.inference.detector import square
from ferlab.inference.predictor import Predictor
from tests.pictures import expected, photo, two_faces, write_clip, write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def predictor(model) -> Predictor:
    return Predictor(model, threads=1)


@pytest.fixture(scope="module")
def two() -> np.ndarray:
    return two_faces()


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip"))


def test_each_face_is_cut_out_and_classified(predictor, two):
    faces = predictor(two)
    assert len(faces) == 2
    for face in faces:
        left, top, side = square(face.detection.box, 1.17, 0.078)
        rows, columns = (
            np.clip(np.arange(n, n + side), 0, m - 1) for n, m in zip((top, left), two.shape, strict=False)
        )
        probabilities = expected(two[rows][:, columns].mean())
        np.testing.assert_allclose(face.probabilities, probabilities, atol=5e-3)
        assert face.label == EXPRESSIONS[face.probabilities.argmax()]
        assert face.confidence == pytest.approx(face.probabilities.max())
    assert len({face.label for face in faces}) == 2


def test_batches_files_arrays_and_sizes_give_the_same(predictor, model, two, tmp_path):
    pictures = [photo(), two, np.zeros((7, 9, 3), np.uint8), np.dstack([photo(300), photo(300)[..., :1]])]
    alone = [predictor(image) for image in pictures]
    Image.fromarray(two).save(tmp_path / "two.png")
    pictures[1] = tmp_path / "two.png"
    together = Predictor(model, threads=1, batch_size=1).batch(pictures)
    assert [len(faces) for faces in together] == [1, 2, 0, 1]
    for ours, theirs in zip(chain(*alone), chain(*together), strict=True):
        np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-4)
        np.testing.assert_allclose(ours.detection.box, theirs.detection.box, atol=1e-2)


@pytest.mark.parametrize("grey", [0, 55, 130, 255])
@pytest.mark.parametrize("shape", [(48, 48), (1, 1, 3), (100, 70, 4), (48, 48, 3), (3000, 2000)])
def test_faces_already_cut_out(model, grey, shape):
    (face,) = Predictor(model, detect=False, threads=1)(np.full(shape, grey, np.uint8))
    # onnxruntime's mean of a million float32 is good to 1e-4
    np.testing.assert_allclose(face.probabilities, expected(grey), atol=1e-5 if shape[0] < 1000 else 5e-3)
    assert face.detection is None


def test_a_label_is_withheld_below_the_confidence(model, tmp_path):
    grey = np.full((48, 48), 36, np.uint8)  # between two classes
    assert expected(36).max() < 0.5
    (face,) = Predictor(model, False, threads=1)(grey)
    assert face.label == "disgust" or face.label == "angry"
    (face,) = Predictor(model, False, min_confidence=0.5, threads=1)(grey)
    assert face.label == "uncertain"
    assert face.confidence == pytest.approx(expected(36).max(), abs=1e-5)
    copy = tmp_path / "grey.onnx"
    copy.write_bytes(model.read_bytes())
    sidecar = json.loads(model.with_suffix(".json").read_text()) | {"threshold": 0.5}
    copy.with_suffix(".json").write_text(json.dumps(sidecar))
    assert Predictor(copy, False, threads=1)(grey)[0].label == "uncertain"
    assert Predictor(copy, False, min_confidence=0, threads=1)(grey)[0].label != "uncertain"


@pytest.mark.parametrize("bad", [{"min_confidence": 40}, {"batch_size": 0}, {"min_score": 2}])
def test_settings_that_are_none(model, bad):
    with pytest.raises(FerlabError, match=r"expected|between"):
        Predictor(model, **bad)


@pytest.mark.parametrize("array", [np.zeros((4, 4, 3)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4), np.uint8)])
def test_arrays_that_are_no_picture(predictor, array):
    with pytest.raises(FerlabError, match="expected uint8"):
        predictor(array)


def test_a_face_is_followed_and_smoothed(predictor, clip):
    raw = list(predictor.video(clip, time_constant_s=0))
    smooth = list(predictor.video(clip))
    assert [len(frame.faces) for frame in smooth] == [1] * 10 + [0] * 2 + [1] * 8
    assert {face.track for frame in smooth for face in frame.faces} == {0}  # gone for less than 0.6 s
    state, last = None, 0.0
    for before, after in zip(raw, smooth, strict=True):
        for one, two in zip(before.faces, after.faces, strict=True):
            kept = 0.0 if state is None else np.exp(-(before.time_s - last) / 0.25)
            state = one.probabilities if state is None else kept * state + (1 - kept) * one.probabilities
            last = before.time_s
            np.testing.assert_allclose(two.probabilities, state, atol=1e-4)
    assert {face.track for frame in predictor.video(clip, lost_s=0.25) for face in frame.faces} == {0, 1}
