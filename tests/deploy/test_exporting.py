"""`ferlab.export` on a run of drawn faces: what it writes and refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from ferlab import files
from ferlab.deploy import exporting, graph
from ferlab.errors import FerlabError
from ferlab.evaluation import exported as exported_models
from ferlab.evaluation.door import Door
from ferlab.expressions import EXPRESSIONS
from ferlab.inference.onnx_model import OnnxModel, rgba_of
from ferlab.pages import report_page
from ferlab.predictors.of_run import predictor_of
from ferlab.predictors.predictor import predict
from ferlab.runs import directory
from tests.composing import composed
from tests.deploy.conftest import small, val_of


@pytest.fixture(autouse=True)
def no_page(monkeypatch):
    monkeypatch.setattr(report_page, "write", lambda folder, *_: folder / "index.html")


def evaluate_exported(path, split="val", outputs=Path("outputs"), ledger="ledger.jsonl", skip_measured=False):
    return exported_models.evaluate_exported(path, Door(split, ledger_path=ledger), outputs, skip_measured)


def test_a_graph_that_answers_otherwise_is_not_written(run, exported, tmp_path, monkeypatch):
    other = onnx.load(exported[0])
    (bias,) = [tensor for tensor in other.graph.initializer if tensor.name.endswith("preprocess.bias")]
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.float32(0.02), bias.name))
    monkeypatch.setattr(graph, "trace", lambda *_: other)
    with pytest.raises(FerlabError, match=r"fp32: a probability differs by .* expected at most 0.0001"):
        exporting.export(small(run, f"out={tmp_path / 'out'}"))
    assert not (tmp_path / "out").exists()


def test_a_file_may_be_named_and_put_elsewhere(run, exported, tmp_path, monkeypatch):
    monkeypatch.setattr(graph, "trace", lambda *_: onnx.load(exported[0]))
    (path,) = exporting.export(small(run, "precision=fp16", "name=five_layer", f"out={tmp_path}"))
    assert path == tmp_path / "five_layer.onnx"
    assert OnnxModel.open(path).sidecar["name"] == "five_layer"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["precision=fp8"], "choose from fp32, fp16, int8"),
        (["name=x"], "give one precision"),
        (["tta=views9"], "choose none, flip"),
        (["runs=null"], "runs is not given"),
    ],
)
def test_what_is_typed_wrong_is_said_before_anything_is_computed(run, monkeypatch, overrides, said):
    monkeypatch.setattr(graph, "trace", None)
    with pytest.raises(FerlabError, match=said):
        exporting.export(small(run, *overrides))


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"status": "failed"}, "unfinished"), ({"expressions": EXPRESSIONS[::-1]}, "answers in the order neutral")],
)
def test_runs_that_are_unfinished_or_answer_in_another_order_are_refused(run, tmp_path, changes, said):
    shutil.copytree(run.path, tmp_path / "other")
    files.write_json(tmp_path / "other" / directory.INFO, run.info | changes)
    with pytest.raises(FerlabError, match=said):
        exporting.export(composed(f"runs={tmp_path / 'other'}", command="export"))


@pytest.mark.slow
def test_runs_vote_in_one_file(run, tmp_path):
    second = tmp_path / "second"
    shutil.copytree(run.path, second, ignore=shutil.ignore_patterns("export", "reports"))
    checkpoint = torch.load(second / "checkpoints/best.ckpt", weights_only=True)
    checkpoint["state_dict"]["net.0.weight"] += 0.05
    torch.save(checkpoint, second / "checkpoints/best.ckpt")
    config = small(run, f"runs=[{run.path},{second}]", "tta=flip", f"outputs={tmp_path}")
    paths = exporting.export(config)
    assert paths[0] == tmp_path / "ensembles/second__small/export/second__small-flip-fp32.onnx"
    pixels = val_of(run).pixels
    members = [predictor_of(loaded) for loaded in (run, directory.load(second))]
    expected = np.mean([predict(m, seen) for m in members for seen in (pixels, pixels[:, :, ::-1])], axis=0)
    np.testing.assert_allclose(OnnxModel.open(paths[0])(rgba_of(pixels)), expected, atol=1e-4)
    told = json.loads((evaluate_exported(paths[0], outputs=tmp_path) / "report.json").read_text())
    assert (told["tta"], told["members"]) == ("flip", ["small", "second"])
