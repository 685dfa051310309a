"""An ensemble as a file a member: what it computes and states, and what is refused."""

import hashlib
import json
import shutil

import numpy as np
import onnxruntime
import pytest
import torch

from ferlab.deploy import graph, member_files
from ferlab.ensembling import named
from ferlab.errors import FerlabError
from ferlab.evaluation.door import Door
from ferlab.evaluation.exported import evaluate_exported
from ferlab.inference import catalogue, models
from ferlab.inference.onnx_model import OnnxModel, rgba_of
from ferlab.inference.predictor import Predictor
from ferlab.pages import report_page
from ferlab.predictors.of_run import predictor_of
from ferlab.predictors.predictor import predict
from ferlab.runs import directory
from tests.deploy.conftest import small, val_of


@pytest.fixture(autouse=True)
def no_page(monkeypatch):
    monkeypatch.setattr(report_page, "write", lambda folder, *_: folder / "index.html")


@pytest.fixture(scope="module")
def second(run, tmp_path_factory):
    """A copy of the run with other weights."""
    folder = tmp_path_factory.mktemp("members") / "second"
    shutil.copytree(run.path, folder, ignore=shutil.ignore_patterns("export", "reports"))
    checkpoint = torch.load(folder / "checkpoints/best.ckpt", weights_only=True)
    checkpoint["state_dict"]["net.0.weight"] += 0.05
    torch.save(checkpoint, folder / "checkpoints/best.ckpt")
    return directory.load(folder)


@pytest.fixture(scope="module")
def two(run, second):
    """The JSON of both, in fp32 with the mirrored view, in a folder of its own."""
    words = [f"runs=[{run.path},{second.path}]", "members=true", "precision=fp32", "name=both", "tta=flip"]
    return member_files.export(small(run, *words, f"outputs={second.path.parent}", f"out={second.path.parent / 'out'}"))


@pytest.fixture
def copied(two, tmp_path):
    """A copy that a test may spoil, and a function that changes its JSON."""
    folder = shutil.copytree(two.parent, tmp_path / "copied")

    def change(spoil):
        stated = json.loads((folder / "both.json").read_text())
        spoil(stated)
        (folder / "both.json").write_text(json.dumps(stated))
        return folder / "both.json"

    return change


def seen(pixels):
    return (pixels, pixels[:, :, ::-1])


def test_the_members_answer_together_as_torch_s_ensemble(run, second, two):
    pixels = val_of(run).pixels
    expected = np.mean([predict(predictor_of(one), view) for one in (run, second) for view in seen(pixels)], axis=0)
    found = OnnxModel.open(two)(rgba_of(pixels))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert found.dtype == np.float32
    assert [file.name for file in sorted(two.parent.iterdir())] == [
        *("both-1-five_layer.onnx", "both-2-five_layer.onnx", "both.json")
    ]


def test_weights_are_those_of_the_json(two, copied):
    crops = rgba_of(np.random.default_rng(0).integers(0, 256, (300, 30, 30), np.uint8))

    def unequal(stated):
        for member, weight in zip(stated["members"], (0.75, 0.25), strict=True):
            member["weight"] = weight
        lines = "\n".join(f"{member['sha256']} {member['weight']}" for member in stated["members"])
        stated["sha256"] = hashlib.sha256(lines.encode()).hexdigest()

    path = copied(unequal)
    sessions = [onnxruntime.InferenceSession(path.with_name(f"both-{i}-five_layer.onnx")) for i in (1, 2)]
    first, other = (session.run(None, {"rgba": crops})[0] for session in sessions)
    np.testing.assert_allclose(OnnxModel.open(path)(crops), 0.75 * first + 0.25 * other, atol=1e-6)
    assert np.abs(first - other).max() > 0.01


def test_the_json_states_what_was_measured_of_the_files(run, second, two):
    stated, val = json.loads(two.read_text()), val_of(run)
    files = [two.with_name(member["file"]).read_bytes() for member in stated["members"]]
    assert [hashlib.sha256(content).hexdigest() for content in files] == [m["sha256"] for m in stated["members"]]
    assert stated["bytes"] == sum(map(len, files))
    assert [member["weight"] for member in stated["members"]] == [0.5, 0.5]
    assert [one["name"] for one in stated["runs"]] == [run.name, second.name]
    assert stated["val"]["correct"] == (OnnxModel.open(two)(rgba_of(val.pixels)).argmax(1) == val.labels).sum()
    assert stated["parity"]["largest_difference"] < 1e-4
    assert (stated["parity"]["faces"], stated["parity"]["accuracy_change"]) == (70, 0)
    assert 0 < stated["threshold"] < 1
    assert sum(stated["priors"]) == pytest.approx(1)
    assert str(second.path.parent) not in two.read_text()


def test_it_is_evaluated_found_and_listed_by_name(two, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "_FOLDER", two.parent)
    assert models.names() == ["both"]
    folder = evaluate_exported(models.find("both"), Door("val", ledger_path=tmp_path / "l.jsonl"), tmp_path)
    told = json.loads((folder / "report.json").read_text())
    assert (told["tta"], told["members"], told["model"]) == ("flip", ["small", "second"], "ensemble, fp32 ONNX")
    (row,) = catalogue.rows()
    assert (row.what, row.val["correct"]) == ("ensemble of 2, flip", told["correct"])
    assert Predictor("both", detect=False).provenance["model"] == "both.json"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda stated: stated["members"][0].update(weight=0.6), "one was changed after the export"),
        (lambda stated: stated["members"].pop(), "one was changed after the export"),
        (lambda stated: stated["members"][0].update(file="../both-1-five_layer.onnx"), "a member in .* is '../both"),
        (lambda stated: stated["members"][0].update(weight="half"), "a weight above 0"),
        (lambda stated: stated["members"][0].update(weight=-0.5), "a weight above 0"),
        (lambda stated: stated.update(members=[]), "expected members"),
        (lambda stated: stated.update(members=5), "expected members"),
    ],
)
def test_a_json_that_was_changed_is_refused(copied, spoil, said):
    with pytest.raises(FerlabError, match=said):
        OnnxModel.open(copied(spoil))


def test_members_that_are_missing_or_exchanged_are_refused(copied):
    path = copied(lambda stated: None)
    first, other = (path.with_name(f"both-{i}-five_layer.onnx") for i in (1, 2))
    shutil.copy(other, first)
    with pytest.raises(FerlabError, match=r"both-1-five_layer.onnx has sha256 .* both.json is of"):
        OnnxModel.open(path)
    first.unlink()
    with pytest.raises(FerlabError, match=r"both-1-five_layer.onnx cannot be read"):
        OnnxModel.open(path)


def test_a_new_export_of_the_name_leaves_nothing_of_the_old_one(copied, run, second):
    path = copied(lambda stated: stated["members"].append({"file": "both-3-old.onnx"}))
    path.with_name("both-3-old.onnx").touch()
    path.with_name("another.onnx").touch()
    member_files._remove(path, {"both-1-five_layer.onnx", "both-2-five_layer.onnx"})
    assert {file.name for file in path.parent.iterdir()} == {
        *("another.onnx", "both-1-five_layer.onnx", "both-2-five_layer.onnx")
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["name=null"], "type name=NAME and one precision"),
        (["precision=[fp32,int8]"], "give one precision"),
        (["priors=equal"], "priors= goes into one graph"),
        (["safetensors=true"], "safetensors=true is of one run"),
        (["runs={run}"], "small is a run by itself; leave out members=true"),
    ],
)
def test_what_is_typed_wrong_is_said_before_anything_is_computed(run, second, monkeypatch, words, said):
    monkeypatch.setattr(graph, "trace", None)
    given = [f"runs=[{run.path},{second.path}]", "members=true", "precision=fp32", "name=both"]
    with pytest.raises(FerlabError, match=said):
        member_files.export(small(run, *given, *(word.format(run=run.path) for word in words)))


def test_a_member_that_is_too_large_is_refused_before_the_rest_is_computed(run, second, tmp_path, monkeypatch):
    monkeypatch.setattr(member_files.export_files, "ask_torch", None)
    given = [f"runs=[{run.path},{second.path}]", "members=true", "precision=fp16", "name=both", "largest_mb=0.1"]
    with pytest.raises(FerlabError, match="precision=int8, choose the ensemble without small, or allow more"):
        member_files.export(small(run, *given, f"outputs={tmp_path}", f"out={tmp_path / 'out'}"))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_chosen_ensemble_keeps_its_weights_temperatures_views_and_space(run, second, tmp_path):
    from ferlab.ensembling import frozen
    from ferlab.predictors.views import views_named

    members = [
        {"name": one.name, "path": str(one.path), "weights_sha256": one.weights_sha256, "weight": w, "temperature": t}
        for one, w, t in ((run, 0.7, 1.5), (second, 0.3, 1.0))
    ]
    chosen = {"members": members, "specialists": [], "method": "made", "size": 2, "temperature": True}
    chosen |= {"tta": "flip", "tta_space": "logit", "views": [list(view) for view in views_named("flip")]}
    chosen |= {"chosen_on": {}, "frozen_at": "now", "commit": "c", "environment": {}}
    folder = frozen.freeze_chosen(tmp_path, "chosen", chosen)
    words = [f"runs={folder}", "members=true", "precision=int8", "name=chosen"]
    path = member_files.export(small(run, *words, f"out={tmp_path / 'out'}"))
    pixels = val_of(run).pixels
    one = named.as_one(str(folder))
    expected = predict(one.predictor(one.frozen_views), pixels)
    np.testing.assert_allclose(OnnxModel.open(path)(rgba_of(pixels)), expected, atol=0.2)
    stated = json.loads(path.read_text())
    assert [member["weight"] for member in stated["members"]] == [0.7, 0.3]
    assert (stated["tta"], stated["calibration"]["faces"]) == ("flip-logit", 112)
