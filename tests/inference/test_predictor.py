"""The predictor with a model whose answer a test can compute."""

import gc
import json
import subprocess
import sys
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.inference.framing import square
from ferlab.inference.onnx_model import OnnxModel
from ferlab.inference.predictor import Predictor
from ferlab.inference.video import Frame, Video
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
    # onnxruntime's mean of a million float32 is good to 3e-4
    np.testing.assert_allclose(face.probabilities, expected(grey), atol=1e-5 if shape[0] < 1000 else 1.5e-2)
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


@pytest.mark.parametrize(("shape", "centre"), [((60, 90), np.s_[:, 15:75]), ((91, 48), np.s_[21:69])])
def test_of_a_face_in_a_picture_that_is_not_square_the_centre_counts(model, shape, centre):
    picture = np.zeros(shape, np.uint8)
    picture[centre] = 126
    (face,) = Predictor(model, detect=False, threads=1)(picture)
    np.testing.assert_allclose(face.probabilities, expected(126), atol=1e-5)


def test_arrays_with_blue_first(model):
    blue = np.zeros((48, 48, 3), np.uint8)
    blue[..., 0] = 255
    seen = []
    predictor = Predictor(model, detect=False, threads=1, color="bgr")
    predictor.model = lambda crops: seen.append(crops) or np.full((len(crops), 7), 1 / 7, np.float32)
    predictor(blue)
    assert seen[0][0, 0, 0].tolist() == [0, 0, 255, 255]
    with pytest.raises(FerlabError, match="color is 'BGR'; expected rgb or bgr"):
        Predictor(model, color="BGR")


def test_the_frames_of_a_video_hold_red_first_whatever_arrays_hold(model, monkeypatch):
    frame = np.zeros((48, 48, 3), np.uint8)
    frame[..., 0] = 255
    seen = []
    predictor = Predictor(model, detect=False, color="bgr")
    monkeypatch.setattr(predictor, "_few", lambda few, everyone: seen.extend(few) or [[] for _ in few])
    video = Mock(Video, live=False)
    video.name, video.__iter__ = "clip.mp4", lambda self: iter([Frame(0, 0.0, frame)])
    list(predictor.video(video))
    np.testing.assert_array_equal(seen[0], frame)


def test_a_list_of_pictures_gives_a_list_with_their_names(predictor, two, tmp_path):
    Image.fromarray(two).save(tmp_path / "two.png")
    content = (tmp_path / "two.png").read_bytes()
    with (tmp_path / "two.png").open("rb") as file:
        found = predictor([tmp_path / "two.png", content, file, Image.open(tmp_path / "two.png"), two[:8]])
    path = str(tmp_path / "two.png")
    assert [faces.source for faces in found] == [path, "picture 1", path, path, "picture 4"]
    assert [len(faces) for faces in found] == [2, 2, 2, 2, 0]
    assert (found[0].width, found[0].height, found[4].height) == (1280, 480, 8)
    assert len({json.dumps(faces.to_dict()["faces"]) for faces in found[:4]}) == 1
    assert predictor(two).source == "picture 0"
    with pytest.raises(FerlabError, match="of type list"):
        predictor([[path]])


def test_threads_share_a_predictor(predictor, two):
    pictures = [np.roll(two, 9 * n, 1) for n in range(3)] + [photo(200 + 9 * n) for n in range(3)]
    alone = [predictor(picture).to_dict() for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        together = [faces.to_dict() for faces in pool.map(predictor, pictures)]
    assert together == alone
    assert sum(len(faces["faces"]) for faces in alone) >= len(pictures)


def test_what_is_closed_predicts_no_more(model, two):
    with Predictor(model, threads=1) as predictor:
        assert len(predictor(two)) == 2
        alive = weakref.ref(predictor.model)
    gc.collect()
    assert alive() is None
    assert predictor.closed
    predictor.close()
    with pytest.raises(FerlabError, match="this predictor is closed; make another one"):
        predictor(two)


def test_a_face_in_types_of_json(predictor, model, two):
    (first, second) = predictor(two)
    found = json.loads(json.dumps(first.to_dict()))
    assert found["label"] == first.label
    assert found["probabilities"] == dict(zip(EXPRESSIONS, first.probabilities.tolist(), strict=True))
    assert (found["box"], found["track"]) == (first.detection.box.tolist(), None)
    assert np.shape(found["keypoints"]) == (6, 2)
    assert found["score"] > second.to_dict()["score"] or found["score"] == first.detection.score
    (whole,) = Predictor(model, detect=False, threads=1)(two)
    assert whole.to_dict()["box"] is whole.to_dict()["score"] is whole.to_dict()["keypoints"] is None


def test_memory_does_not_grow_with_the_number_of_pictures(predictor, monkeypatch):
    """Pictures are made as they are asked for; what is alive at once is counted here, and in the detector's calls."""
    at_once = []
    monkeypatch.setattr(predictor, "detector", lambda few: at_once.append(len(few)) or [[] for _ in few])
    peaks = []
    for count in (32, 256):
        tracemalloc.start()
        found = predictor.batch((np.zeros((64, 64, 3), np.uint8) for _ in range(count)), everyone=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(found) == count
    assert max(at_once) == 16
    assert peaks[1] - peaks[0] < 100_000  # bytes; the 224 pictures more have 2.7 million


def test_a_model_of_the_package_has_a_name():
    assert Predictor("five_layer", detect=False, threads=1).provenance["model"] == "five_layer.onnx"
    with pytest.raises(FerlabError, match=r"holds no model 'six_layer'; there are: accurate, .*five_layer"):
        Predictor(Path("six_layer"))


def test_the_predictor_is_imported_from_the_package_when_it_is_asked_for():
    code = "import sys, ferlab; assert 'cv2' not in sys.modules; from ferlab import Face, Predictor; Predictor; "
    done = subprocess.run([sys.executable, "-c", code + "assert 'torch' not in sys.modules; ferlab.Predicter"],
                          capture_output=True, text=True)  # fmt: skip
    assert done.stderr.splitlines()[-1] == "AttributeError: module 'ferlab' has no attribute 'Predicter'"


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


def test_known_shares_of_the_classes_weigh_the_probabilities(model, two):
    own, opened = Predictor(model, threads=1), OnnxModel.open(model, 1)
    opened.sidecar["priors"] = [1, 1, 1, 1, 1, 1, 2]
    wanted = [4, 1, 1, 1, 1, 0, 2]
    weighed = Predictor(opened, priors=wanted)
    for before, after in zip(own(two), weighed(two), strict=True):
        expected = before.probabilities * np.array(wanted) / np.array([1, 1, 1, 1, 1, 1, 2])
        np.testing.assert_allclose(after.probabilities, expected / expected.sum(), atol=1e-6)
        assert after.confidence == after.probabilities.max()
    assert weighed.provenance["priors"] == [share / 10 for share in wanted]
    assert "priors" not in own.provenance
    with pytest.raises(FerlabError, match="does not say its class shares"):
        Predictor(model, priors="uniform")
