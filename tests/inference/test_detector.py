"""The detector against Google's interpreter and plain loops (tests/golden/detector.json), and on drawn faces."""

import hashlib
import json
import subprocess
import sys
from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import cv2
import hypothesis
import numpy as np
import onnx
import pytest
from hypothesis import strategies as st
from PIL import Image

from benchmarks.find_faces import frames, framing
from ferlab.data import sources
from ferlab.data.drawn import draw
from ferlab.errors import FerlabError
from ferlab.inference import detector
from ferlab.inference.detector import RANGES, Detection, FaceDetector, letterbox, merge, placed
from tests import reference_detector

REAL = Path(__file__).resolve().parents[3] / "shared" / "data"
GOLDEN = Path(__file__).parents[1] / "golden"
VECTORS = json.loads((GOLDEN / "detector.json").read_text())
MODELS = resources.files("ferlab.inference.models")


@pytest.fixture(scope="module")
def find() -> FaceDetector:
    return FaceDetector(threads=1)


def same(face: Detection, expected: dict, tolerance: float) -> None:
    np.testing.assert_allclose(face.box, expected["box"], atol=tolerance)
    np.testing.assert_allclose(face.keypoints, expected["keypoints"], atol=tolerance)
    assert face.score == pytest.approx(expected["score"], abs=1e-4)


@pytest.mark.parametrize("name", RANGES)
def test_models_are_those_that_their_json_describes(name):
    data, about = (MODELS / f"face_{name}.onnx").read_bytes(), json.loads((MODELS / f"face_{name}.json").read_text())
    assert hashlib.sha256(data).hexdigest() == about["sha256"]
    assert len(data) == about["bytes"] < 300_000
    assert max(about["tested"]["largest_difference"].values()) <= 1e-4
    model = onnx.load_model_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    (rgba,) = model.graph.input
    side = about["side"]
    assert [d.dim_value or d.dim_param for d in rgba.type.tensor_type.shape.dim] == ["batch", side, side, 4]
    assert [o.name for o in model.graph.output] == list(about["outputs"])


@pytest.mark.parametrize("name", RANGES)
def test_graph_gives_what_googles_interpreter_gives(find, name):
    expected, model = VECTORS["graphs"][name], find._models[RANGES.index(name)]
    rgba = np.asarray(Image.open(GOLDEN / expected["square"]).convert("RGBA"))
    names = ["boxes", "keypoints", "scores"]
    three = np.stack([rgba, 255 - rgba, rgba])  # also in a batch
    for outputs in (model.session.run(names, {"rgba": rgba[None]}), model.session.run(names, {"rgba": three})):
        for key, values in zip(names, outputs, strict=True):
            for place in {0, len(values) - 1}:
                np.testing.assert_allclose(values[place][expected["anchors"]], expected[key], atol=1e-4)
    faces = merge(*(values[0] for values in outputs), 0.5, 0.3)
    assert len(faces) == len(expected["faces"]) >= 2
    for face, golden, pixels in zip(faces, expected["faces"], expected["faces_in_pixels"], strict=True):
        same(face, golden, 1e-4)
        same(detector._in_pixels(face, expected["width"], expected["height"], model.settings.side), pixels, 0.05)


def test_graph_does_not_read_alpha(find):
    rgba = np.asarray(Image.open(GOLDEN / "detector_short.png").convert("RGBA")).copy()
    run = find._models[0].session.run
    opaque = run(["boxes"], {"rgba": rgba[None]})[0]
    rgba[..., 3] = 0
    np.testing.assert_array_equal(run(["boxes"], {"rgba": rgba[None]})[0], opaque)


def test_merging_is_mediapipes():
    case = VECTORS["merge"]
    arrays = [np.array(case[key], np.float32) for key in ("boxes", "keypoints", "scores")]
    faces = merge(*arrays, case["min_score"], case["min_overlap"])
    assert len(faces) == len(case["faces"]) >= 3
    for face, expected in zip(faces, case["faces"], strict=True):
        same(face, expected, 1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_merging_any_boxes_is_that_of_plain_loops(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 60))
    boxes = np.concatenate([rng.uniform(-0.2, 0.9, (n, 2)), rng.uniform(-0.05, 0.5, (n, 2))], 1)
    points, scores = rng.uniform(-1, 2, (n, 6, 2)), rng.uniform(0, 1, n).round(1)  # equal scores too
    expected = reference_detector.merge(boxes.tolist(), points.tolist(), scores.tolist(), 0.3, 0.3)
    faces = merge(boxes, points, scores, 0.3, 0.3)
    assert len(faces) == len(expected)
    for face, golden in zip(faces, expected, strict=True):
        same(face, golden, 1e-9)


_WIDTHS = st.floats(-0.1, 0.6) | st.sampled_from([1e-20, 1e-300, np.nan, np.inf, -np.inf, 1e300])
_BOXES = st.lists(st.tuples(*[_WIDTHS] * 4, st.floats(0, 1) | st.just(np.nan)), max_size=12)


@hypothesis.settings(derandomize=True, max_examples=200, deadline=None)
@hypothesis.given(_BOXES)
def test_merging_ends_and_every_face_lies_in_its_boxes(rows):
    values = np.array(rows).reshape(-1, 5)
    boxes, scores = values[:, :4], values[:, 4]
    points = np.repeat(boxes[:, None, :2], 6, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        faces = merge(boxes, points, scores, 0.3, 0.3)
    good = np.isfinite(values).all(1) & (scores >= 0.3) & (boxes[:, 2:] > 0).all(1)
    assert bool(faces) == good.any()
    assert len(faces) <= good.sum()
    assert [face.score for face in faces] == sorted((face.score for face in faces), reverse=True)
    for face in faces:
        assert face.score in scores
        low, high = boxes[good].min(0), boxes[good].max(0)
        slack = 1e-9 * np.maximum(np.abs(low), np.abs(high))
        assert (low - slack <= face.box).all()
        assert (face.box <= high + slack).all()
        np.testing.assert_allclose(face.keypoints, np.repeat(face.box[None, :2], 6, 0))


def test_a_detector_that_gives_no_numbers_is_refused(find, monkeypatch):
    back = find._models[1]
    outputs = [np.zeros((1, 896, 4)), np.zeros((1, 896, 6, 2)), np.full((1, 896), np.nan)]
    monkeypatch.setattr(back, "session", SimpleNamespace(run=lambda names, inputs: outputs))
    with pytest.raises(FerlabError, match=r"models/face_back.onnx gives no finite numbers"):
        find([np.zeros((48, 48, 3), np.uint8)], everyone=True)


@pytest.mark.parametrize("case", VECTORS["placed"], ids=lambda g: f"{g['width']}x{g['height']}in{g['side']}")
def test_placing(case):
    assert list(placed(case["width"], case["height"], case["side"])) == case["is"]


def test_letterbox_keeps_the_whole_picture_between_black_bars():
    picture = np.full((100, 200, 3), (10, 120, 250), np.uint8)
    out = letterbox(picture, 128)
    assert out.shape == (128, 128, 4)
    assert (out[..., 3] == 255).all()
    assert (out[32:96, :, :3] == (10, 120, 250)).all()
    assert not out[:32, :, :3].any()
    assert not out[96:, :, :3].any()


@pytest.mark.parametrize("side", [350, 240, 160])
def test_drawn_faces_are_found_where_they_are(find, side):
    faces = draw(12, 7, 7, 1).pixels[:12]
    pictures, where = frames(faces, side, seed=2)
    rows, others = framing(find(list(pictures)), where)
    assert len(rows) >= 11
    assert others <= 1
    assert np.abs(rows[:, 0] - 0.87).max() < 0.25  # drawings are framed a little tighter than photographs
    assert np.abs(rows[:, 1:3]).max() < 0.2


def test_back_range_runs_only_where_the_short_one_finds_nothing(find, monkeypatch):
    faces = draw(7, 7, 7, 1).pixels
    large, small = frames(faces[:1], 350)[0][0], frames(faces[1:2], 90, seed=3)[0][0]
    images_of_back = []
    back = find._models[1]
    monkeypatch.setattr(
        find, "_models", [find._models[0], lambda images, least: images_of_back.append(images) or back(images, least)]
    )
    found = find([large, small, np.zeros((48, 64, 3), np.uint8)])
    assert [len(faces) for faces in found] == [1, 1, 0]
    assert [image.shape for image in images_of_back[0]] == [(480, 640, 3), (48, 64, 3)]


def test_a_large_face_hides_small_ones_unless_everyone_is_wanted(find):
    faces = draw(7, 7, 7, 1).pixels
    picture = np.full((480, 640, 3), 100, np.uint8)
    for face, side, x, y in ((faces[1], 300, 10, 60), (faces[2], 110, 420, 40), (faces[1], 110, 460, 300)):
        picture[y : y + side, x : x + side] = cv2.resize(face, (side, side))[..., None]
    assert len(find([picture])[0]) == 1
    (found,) = find([picture], everyone=True)
    middles = sorted((face.box[:2] + face.box[2:] / 2).tolist() for face in found)
    np.testing.assert_allclose(middles, [[160, 210], [475, 95], [515, 355]], atol=50)  # each once
    assert [face.score for face in found] == sorted((face.score for face in found), reverse=True)


def test_of_everyone_the_short_range_runs_where_the_long_one_finds_no_large_face_or_a_huge_one(find, monkeypatch):
    faces = draw(7, 7, 7, 1).pixels
    huge, large, small = (frames(faces[i : i + 1], side, seed=i)[0][0] for i, side in ((0, 460), (0, 350), (1, 110)))
    images_of_short = []
    short = find._models[0]
    monkeypatch.setattr(
        find, "_models", [lambda images, least: images_of_short.append(images) or short(images, least), find._models[1]]
    )
    found = find([large, small, np.zeros((48, 64, 3), np.uint8), huge], everyone=True)
    assert [len(faces) for faces in found] == [1, 1, 0, 1]
    assert len(images_of_short[0]) == 3
    for image, asked in zip((small, np.zeros((48, 64, 3), np.uint8), huge), images_of_short[0], strict=True):
        np.testing.assert_array_equal(image, asked)
    (by_short,) = find.look([huge], "short")[0]
    np.testing.assert_array_equal(found[3][0].box, by_short.box)  # the long range measures another
    assert not np.allclose(find.look([huge], "back")[0][0].box, by_short.box, rtol=0.02)


def test_a_graph_gets_few_images_at_once(find, monkeypatch):
    back, counts = find._models[1], []
    run = back.session.run
    session = SimpleNamespace(run=lambda names, inputs: counts.append(len(inputs["rgba"])) or run(names, inputs))
    monkeypatch.setattr(back, "session", session)
    assert find([np.zeros((8, 8, 3), np.uint8)] * 37) == [[]] * 37
    assert counts == [16, 16, 5]


def test_same_faces_alone_and_in_a_batch(find):
    pictures = [frames(draw(7, 7, 7, 1).pixels[i : i + 1], 200 + 30 * i, seed=i)[0][0] for i in range(3)]
    pictures[1] = cv2.resize(pictures[1], (500, 700))
    for alone, together in zip([find([p])[0] for p in pictures], find(pictures), strict=True):
        assert len(alone) == len(together) == 1
        np.testing.assert_allclose(alone[0].box, together[0].box, atol=1e-3)


def test_any_size_may_come(find):
    for shape in ((1, 1, 3), (1, 3000, 3), (2000, 1, 4), (31, 17, 3)):
        assert isinstance(find([np.full(shape, 77, np.uint8)])[0], list)
    assert find([]) == []


@pytest.mark.parametrize(
    "image", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32), np.zeros((0, 9, 3), np.uint8)], ids=str
)
def test_what_is_no_image_is_refused(find, image):
    with pytest.raises(FerlabError, match="expected uint8"):
        find([image])


def test_min_score_is_checked():
    with pytest.raises(FerlabError, match="between 0 and 1"):
        FaceDetector(min_score=50)


@pytest.mark.slow
def test_real_faces_are_found(find, tmp_path):
    """Found rate on faces of the training split pasted into frames; the rates are those of benchmarks/find_faces.py."""
    if not REAL.is_dir():
        pytest.skip("needs shared/data")
    subprocess.run([sys.executable, REAL / "unpack.py", tmp_path, "csv"], check=True)
    faces = sources.read("fer2013_csv", tmp_path / "fer2013" / "fer2013.csv").of_split("train").pixels[:200]
    for side, least in ((350, 0.98), (240, 0.98), (160, 0.97), (110, 0.93)):
        pictures, where = frames(faces, side)
        rows, others = framing([find([picture])[0] for picture in pictures], where)
        assert len(rows) / len(faces) >= least
        assert others <= 5
        if side >= 160:  # smaller boxes sit tighter
            assert abs(np.median(rows[:, 0]) - 1) < 0.05
            assert np.abs(np.median(rows[:, 1:3], 0)).max() < 0.03
