"""The loader against onnx's own interpreter, with torch out of reach, and every pair of files that it must refuse."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.inference.onnx_model import FORMAT, THRESHOLD, Margin, OnnxModel, rgba_of
from ferlab.inference.predictor import Predictor


def graph(classes=7, names=EXPRESSIONS, output="probabilities", last="Softmax", metadata=None, batch=None):
    """A small graph with the contract's ends: the mean of each channel, by random weights, through `last`."""
    weights = np.random.default_rng(0).normal(0, 0.05, (4, classes)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["rgba"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
        helper.make_node(last, ["logits"], [output]),
    ]
    constants = {"weights": weights, "axes": np.array([1, 2])}
    if batch:
        nodes[2].input[0], constants["shape"] = "same", np.array([batch, 4])
        nodes.insert(2, helper.make_node("Reshape", ["mean", "shape"], ["same"]))
    made = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("rgba", TensorProto.UINT8, ["batch", "height", "width", 4])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", classes])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    if names:
        helper.set_model_props(model, {"expressions": json.dumps(names) if metadata is None else metadata})
    return model


def write(folder, model, **changes):
    """A model and its JSON in a folder; gives the path of the model."""
    path = folder / "small.onnx"
    path.write_bytes(content := model.SerializeToString())
    sidecar = {
        "format": 1,
        "sha256": hashlib.sha256(content).hexdigest(),
        "expressions": list(EXPRESSIONS),
        "margin": {"side_ratio": 1.17, "raise_ratio": 0.078},
    }
    path.with_suffix(".json").write_text(json.dumps(sidecar | changes))
    return path


@pytest.fixture
def path(tmp_path):
    return write(tmp_path, graph())


@pytest.mark.parametrize("shape", [(1, 48, 48), (5, 1, 1), (2, 30, 77)])
def test_probabilities_are_those_of_onnx_s_own_interpreter(path, shape):
    rgba = np.random.default_rng(1).integers(0, 256, (*shape, 4), np.uint8)
    (expected,) = ReferenceEvaluator(onnx.load(path)).run(None, {"rgba": rgba})
    found = OnnxModel.open(path)(rgba)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_a_model_says_of_itself(path):
    model = OnnxModel.open(str(path))
    assert model.expressions == EXPRESSIONS
    assert model.margin == Margin(side_ratio=1.17, raise_ratio=0.078)
    assert model.sidecar == json.loads(path.with_suffix(".json").read_text())


def test_no_crops_and_crops_that_do_not_lie_in_one_piece(path):
    model = OnnxModel.open(path)
    assert model(np.zeros((0, 48, 48, 4), np.uint8)).shape == (0, 7)
    rgba = np.random.default_rng(2).integers(0, 256, (2, 20, 30, 4), np.uint8)
    np.testing.assert_array_equal(model(rgba[:, ::2, ::-1]), model(rgba[:, ::2, ::-1].copy()))


@pytest.mark.parametrize(
    "crops",
    [
        np.zeros((1, 48, 48, 4), np.float32),
        np.zeros((48, 48, 4), np.uint8),
        np.zeros((1, 48, 48, 3), np.uint8),
        np.zeros((1, 0, 48, 4), np.uint8),
    ],
)
def test_other_crops_are_refused(path, crops):
    with pytest.raises(FerlabError, match=r"expected crops uint8 \[B,H,W,4\], found"):
        OnnxModel.open(path)(crops)


@pytest.mark.parametrize(
    ("last", "grey", "found"),
    [("Log", 90, "nan"), ("Reciprocal", 0, "inf"), ("Identity", 90, "[0-9]"), ("Sigmoid", 90, "0.995")],
)
def test_answers_that_are_no_probabilities_are_refused(tmp_path, last, grey, found):
    model = OnnxModel.open(write(tmp_path, graph(last=last)))
    with pytest.raises(
        FerlabError, match=f"small.onnx gives .*{found}.*which are no probabilities: expected a sum of 1"
    ):
        model(np.full((2, 8, 8, 4), grey, np.uint8))


def test_a_graph_that_fails_is_one_line(tmp_path):
    model = OnnxModel.open(write(tmp_path, graph(batch=1)))
    assert model(np.zeros((1, 8, 8, 4), np.uint8)).shape == (1, 7)
    with pytest.raises(FerlabError, match=r"small.onnx fails on crops \[2, 8, 8, 4\] \(.*\); export") as caught:
        model(np.zeros((2, 8, 8, 4), np.uint8))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "5", "[" * 200_000, b"\xff"])
def test_a_sidecar_that_is_no_json_is_one_line(path, content):
    path.with_suffix(".json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FerlabError, match=r"small.json (cannot be read|is not of an exported model)") as caught:
        OnnxModel.open(path)
    assert "\n" not in str(caught.value)


def test_grey_faces_as_rgba():
    faces = np.random.default_rng(3).integers(0, 256, (2, 48, 48), np.uint8)
    rgba = rgba_of(faces)
    assert rgba.shape == (2, 48, 48, 4)
    assert (rgba[..., 3] == 255).all()
    for channel in range(3):
        np.testing.assert_array_equal(rgba[..., channel], faces)


PERMUTED = [*EXPRESSIONS[1:], EXPRESSIONS[0]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": "0" * 64}, "not of one export"),
        ({"expressions": PERMUTED}, "answers in the order .* expected angry, disgust"),
        ({"expressions": list(EXPRESSIONS[:6])}, "answers in the order .* expected angry, disgust"),
        ({"format": 2}, "format 2, expected 1"),
        ({"margin": {"side_ratio": 1.17}}, "margin with side_ratio and raise_ratio"),
        ({"threshold": 40}, "expected a threshold from 0 to 1 or null, found 40"),
        *(({"threshold": value}, "expected a threshold from 0 to 1") for value in ("0.5", [0.5], float("nan"))),
        *(({"sha256": value}, "expected a text as sha256") for value in (None, 5, ["x"])),
        *(({"expressions": value}, "answers in the order") for value in (None, 7, "angry", [], {"angry": 0})),
        *(
            ({"margin": {"side_ratio": 1.17, "raise_ratio": 0.078} | value}, "expected margins of at most 10")
            for value in (
                *({"side_ratio": number} for number in ("1", None, float("nan"), 1e300, 2000, 0, -1)),
                *({"raise_ratio": number} for number in ("1", [], float("inf"), -2000)),
            )
        ),
    ],
)
def test_another_sidecar_is_refused(tmp_path, changes, message):
    with pytest.raises(FerlabError, match=message):
        OnnxModel.open(write(tmp_path, graph(), **changes))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (graph(names=PERMUTED), "answers in the order .* expected angry, disgust"),
        (graph(names=None), "holds no class names"),
        (graph(classes=8), r"found rgba .* probabilities .*8"),
        (graph(output="scores"), "export with ferlab.export"),
        *((graph(metadata=text), "answers in the order") for text in ("", "{", "[" * 200_000, "5", "null", '"angry"')),
    ],
)
def test_another_graph_is_refused(tmp_path, model, message):
    with pytest.raises(FerlabError, match=message):
        OnnxModel.open(write(tmp_path, model))


def test_missing_and_damaged_files_are_named(tmp_path, path):
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    with pytest.raises(FerlabError, match="not of one export"):
        OnnxModel.open(path)
    sidecar = json.loads(path.with_suffix(".json").read_text())
    rubbish = b"<html>404</html>"
    path.write_bytes(rubbish)
    path.with_suffix(".json").write_text(json.dumps(sidecar | {"sha256": hashlib.sha256(rubbish).hexdigest()}))
    with pytest.raises(FerlabError, match="no model that onnxruntime can open"):
        OnnxModel.open(path)
    for text, message in (("{", "cannot be read"), ("[]", "is not of an exported model")):
        path.with_suffix(".json").write_text(text)
        with pytest.raises(FerlabError, match=message):
            OnnxModel.open(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(FerlabError, match=r"small.json is missing"):
        OnnxModel.open(path)
    other = tmp_path / "other.onnx"
    other.with_suffix(".json").write_text(json.dumps(sidecar))
    with pytest.raises(FerlabError, match="No such file"):
        OnnxModel.open(other)


def test_it_runs_where_torch_and_the_rest_of_training_are_not_installed(path):
    code = f"""
import sys
for name in ("torch", "torchvision", "hydra", "omegaconf", "scipy", "onnx", "timm", "matplotlib", "pytorch_lightning"):
    sys.modules[name] = None  # importing it raises ImportError
import numpy as np
from ferlab.inference.onnx_model import OnnxModel
print(OnnxModel.open({str(path)!r})(np.zeros((2, 9, 9, 4), np.uint8)).shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(2, 7)"


@pytest.mark.parametrize(
    ("stated", "found"), [({}, THRESHOLD), ({"threshold": None}, THRESHOLD), ({"threshold": 0.4}, 0.4)]
)
def test_the_threshold_is_the_jsons(tmp_path, stated, found):
    assert OnnxModel.open(write(tmp_path, graph(), **stated)).threshold == found


def test_the_web_app_reads_the_json_by_the_same_constants():
    source = (Path(__file__).resolve().parents[2] / "web" / "src" / "models.ts").read_text()
    constants = dict(re.findall(r"^const (FORMAT|THRESHOLD) = ([\d.]+);", source, re.MULTILINE))
    assert {name: float(value) for name, value in constants.items()} == {"FORMAT": FORMAT, "THRESHOLD": THRESHOLD}


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_threads_are_those_that_were_wanted_and_wait_without_computing(path, threads):
    (session,) = OnnxModel.open(path, threads)._sessions
    options = session.get_session_options()
    assert options.intra_op_num_threads == threads
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_a_predictor_computes_on_one_thread_unless_more_are_wanted(path):
    for threads, predictor in ((1, Predictor(path)), (2, Predictor(path, threads=2))):
        sessions = [*predictor.model._sessions, *(model.session for model in predictor.detector._models)]
        assert [session.get_session_options().intra_op_num_threads for session in sessions] == [threads] * 3
