"""The exported files: what they compute, and what their JSON states."""

import hashlib
import json

import numpy as np
import onnx
import pytest
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from ferlab.expressions import EXPRESSIONS
from ferlab.inference.onnx_model import Margin, OnnxModel, rgba_of
from ferlab.pages import report_page
from ferlab.predictors.of_run import predictor_of
from ferlab.predictors.predictor import predict
from ferlab.runs import provenance
from tests.deploy.conftest import val_of


@pytest.fixture(autouse=True)
def no_page(monkeypatch):
    monkeypatch.setattr(report_page, "write", lambda folder, *_: folder / "index.html")


def test_each_precision_is_a_file_that_answers_as_the_run(run, exported):
    assert [path.name for path in exported] == [f"small-{p}.onnx" for p in ("fp32", "fp16", "int8")]
    assert {path.parent for path in exported} == {run.path / "export"}
    val = val_of(run)
    expected = predict(predictor_of(run), val.pixels)
    assert (expected.argmax(1) == val.labels).mean() > 0.3  # it has learned something
    for path, atol in zip(exported, (1e-4, 2e-2, 0.2), strict=True):
        model = OnnxModel.open(path)
        np.testing.assert_allclose(model(rgba_of(val.pixels)), expected, atol=atol)
        assert model.expressions == EXPRESSIONS
        assert model.margin == Margin(1.17, 0.078)


def test_the_json_says_what_the_file_is_and_the_file_says_the_same(run, exported):
    for path, precision in zip(exported, ("fp32", "fp16", "int8"), strict=True):
        told = json.loads(path.with_suffix(".json").read_text())
        content = path.read_bytes()
        assert told["sha256"] == hashlib.sha256(content).hexdigest()
        assert (told["file"], told["bytes"], told["precision"]) == (path.name, len(content), precision)
        assert (told["opset"], told["tta"], told["commit"]) == (20, "none", provenance.commit())
        (member,) = told["runs"]
        assert member["weights_sha256"] == run.weights_sha256
        assert member["config"]["model"] == run.config["model"]
        train = run.faces().of_split("train")
        assert (
            member["train_faces_sha256"] == hashlib.sha256(train.pixels.tobytes() + train.labels.tobytes()).hexdigest()
        )
        assert ("calibration" in told) == (precision == "int8")
        inside = {p.key: json.loads(p.value) for p in onnx.load(path).metadata_props}
        assert inside == {key: value for key, value in told.items() if key not in ("file", "bytes", "sha256")}
        # A file that is given away says nothing of the machine it was made on.
        assert str(run.path.parent).encode() not in content + path.with_suffix(".json").read_bytes()


def test_below_the_stated_threshold_labels_are_withheld(run, exported):
    val = val_of(run)
    for path in exported:
        model = OnnxModel.open(path)
        p = model(rgba_of(val.pixels))
        right, sure = p.argmax(1) == val.labels, p.max(1)
        threshold = model.sidecar["threshold"]
        assert 0 < threshold < 1
        kept, one_step_more = sure >= threshold, sure >= threshold - 0.01
        lowest = [proportion_confint(right[k].sum(), k.sum(), method="wilson")[0] for k in (kept, one_step_more)]
        assert lowest[0] >= 0.6 > lowest[1]
        assert model.sidecar["abstention"]["kept"] == kept.mean()


def test_the_stated_accuracies_are_those_of_the_report_and_of_the_file(run, exported):
    val = val_of(run)
    right = {p: OnnxModel.open(p)(rgba_of(val.pixels)).argmax(1) == val.labels for p in exported}
    measured = json.loads((run.path / "reports/val-none/report.json").read_text())
    for path in exported:
        told = OnnxModel.open(path).sidecar
        assert told["reports"]["val"]["accuracy"] == measured["accuracy"]
        assert "test" not in told["reports"]
        assert told["val"]["correct"] == right[path].sum()
        only_fp32, only_this = (right[exported[0]] & ~right[path]).sum(), (~right[exported[0]] & right[path]).sum()
        against = told["val"]["against_fp32"]
        assert (against["only_fp32_right"], against["only_this_right"]) == (only_fp32, only_this)
        changed = only_fp32 + only_this
        assert against["mcnemar_p"] == pytest.approx(binomtest(only_this, changed).pvalue if changed else 1.0)
        assert against["accuracy_change"] == pytest.approx(right[path].mean() - right[exported[0]].mean())
