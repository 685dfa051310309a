"""The command on a run of drawn faces: what it writes and refuses, and the measuring of what it wrote."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hydra import compose, initialize_config_dir
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from ferlab import evaluate, files
from ferlab.config import CONF, plain
from ferlab.deploy import exporting, graph
from ferlab.errors import FerlabError
from ferlab.evaluation import exported as exported_models
from ferlab.evaluation.door import Door
from ferlab.expressions import EXPRESSIONS
from ferlab.inference import models
from ferlab.inference.onnx_model import Margin, OnnxModel, rgba_of
from ferlab.pages import report_page
from ferlab.predictors.of_run import predictor_of
from ferlab.predictors.predictor import predict
from ferlab.runs import directory, provenance
from ferlab.training import fit as training
from tests.conftest import measure


def config_of(name, *overrides):
    with initialize_config_dir(CONF, version_base="1.3"):
        return plain(compose(name, overrides=list(overrides)))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small net trained on drawn faces for as long as it takes to tell some of them apart."""
    folder = tmp_path_factory.mktemp("exported")
    drawn = [f"data.{key}={n}" for key, n in (("n_train", 560), ("n_val", 280), ("n_test", 70))]
    small = ["+model.net.width=0.25", "batch_size=56", "lr=0.02", "trainer.max_epochs=12", "ema_decay=0.9", "wandb=off"]
    quiet = ["trainer.accelerator=cpu", "trainer.enable_progress_bar=false", f"data.root={folder}"]
    return training.train(config_of("train", *drawn, *small, *quiet, f"outputs={folder / 'outputs'}", "name=small"))


@pytest.fixture(scope="module")
def exported(run):
    """Paths of the three files of the run, exported after it was measured."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_page, "write", lambda folder, *_: folder / "index.html")  # test_report has it
        measure(str(run.path), outputs=run.path.parent)
    return exporting.export(small(run))


def small(run, *overrides):
    given = [
        f"runs={run.path}",
        f"outputs={run.path.parent}",
        "parity_faces=70",
        "calibration.faces=112",
        "wanted_accuracy=0.6",
    ]
    return config_of("export", *given, *overrides)


@pytest.fixture(autouse=True)
def no_page(monkeypatch):
    monkeypatch.setattr(report_page, "write", lambda folder, *_: folder / "index.html")


@pytest.fixture
def copied(exported, tmp_path):
    """A copy of the fp32 file that a test may spoil, and a function that changes its JSON."""
    for suffix in (".onnx", ".json"):
        shutil.copy(exported[0].with_suffix(suffix), tmp_path / f"copied{suffix}")
    path = tmp_path / "copied.onnx"

    def change(**changes):
        told = json.loads(path.with_suffix(".json").read_text())
        path.with_suffix(".json").write_text(json.dumps(told | changes))
        return path

    return change


def evaluate_exported(path, split="val", outputs=Path("outputs"), ledger="ledger.jsonl", skip_measured=False):
    return exported_models.evaluate_exported(path, Door(split, ledger_path=ledger), outputs, skip_measured)


def val_of(run):
    return run.faces().of_split("val")


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
        exporting.export(config_of("export", f"runs={tmp_path / 'other'}"))


def test_an_exported_model_is_measured_as_a_run_is(run, exported):
    outputs = run.path.parent
    folder = evaluate_exported(exported[2], outputs=outputs)
    assert folder == outputs / "exported/small-int8/reports/val-none"
    told, val = json.loads((folder / "report.json").read_text()), val_of(run)
    expected = OnnxModel.open(exported[2])(rgba_of(val.pixels))
    np.testing.assert_allclose(np.load(folder / "probabilities.npy"), expected, atol=1e-3)
    assert told["correct"] == (expected.argmax(1) == val.labels).sum()
    assert told["weights_sha256"] == [hashlib.sha256(exported[2].read_bytes()).hexdigest()]
    assert told["members"] == ["small"]


def test_a_look_at_test_stands_in_the_ledger_and_is_not_taken_twice(run, exported, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    for skip in (False, True):
        folder = evaluate_exported(exported[1], "test", outputs=tmp_path, ledger=ledger, skip_measured=skip)
    (entry,) = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert entry["weights_sha256"] == [hashlib.sha256(exported[1].read_bytes()).hexdigest()]
    assert (entry["runs"], entry["data"], entry["split"]) == (["small-fp16"], "drawn", "test")
    assert json.loads((folder / "report.json").read_text())["looks_before"] == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"expressions": [*EXPRESSIONS[1:], EXPRESSIONS[0]]}, "answers in the order disgust"),
        ({"sha256": "0" * 64}, "not of one export"),
    ],
)
def test_a_model_with_another_json_is_refused_before_a_look(copied, tmp_path, changes, said):
    with pytest.raises(FerlabError, match=said):
        evaluate_exported(copied(**changes), "test", outputs=tmp_path, ledger=tmp_path / "ledger.jsonl")
    assert not (tmp_path / "ledger.jsonl").exists()


def test_an_accuracy_that_is_not_the_stated_one_is_an_error(copied, tmp_path):
    path = copied()
    evaluate_exported(path, outputs=tmp_path)
    stated = json.loads(path.with_suffix(".json").read_text())["val"]
    copied(val=stated | {"accuracy": stated["accuracy"] - 0.01})
    with pytest.raises(FerlabError, match="of the val faces, and states"):
        evaluate_exported(path, outputs=tmp_path)


def test_weights_are_typed_alone():
    config = config_of("evaluate", "weights=x.onnx", "tta=flip")
    with pytest.raises(FerlabError, match="leave out tta"):
        evaluate._refuse_for_exported(config)


def test_models_of_the_package_are_found_by_name(tmp_path, monkeypatch):
    assert models.find("some/where.onnx") == Path("some/where.onnx")
    monkeypatch.setattr(models, "_FOLDER", tmp_path)
    with pytest.raises(FerlabError, match=r"no model 'five_layer'; there are: none.*make ship RUN="):
        models.find("five_layer")
    (tmp_path / "five_layer.onnx").touch()
    with pytest.raises(FerlabError, match="there are: none"):
        models.find("five_layer")
    (tmp_path / "five_layer.json").write_text(json.dumps({"expressions": EXPRESSIONS}))
    (tmp_path / "detector.onnx").touch()
    (tmp_path / "detector.json").write_text("{}")
    assert models.find("five_layer") == tmp_path / "five_layer.onnx"
    with pytest.raises(FerlabError, match="there are: five_layer"):
        models.find("senet50")


@pytest.mark.slow
def test_runs_vote_in_one_file(run, tmp_path):
    second = tmp_path / "second"
    shutil.copytree(run.path, second, ignore=shutil.ignore_patterns("export", "reports"))
    checkpoint = torch.load(second / "checkpoints/best.ckpt", weights_only=True)
    checkpoint["state_dict"]["net.0.weight"] += 0.05
    torch.save(checkpoint, second / "checkpoints/best.ckpt")
    (second / "checkpoints/best.ckpt.sha256").unlink()
    config = small(run, f"runs=[{run.path},{second}]", "tta=flip", f"outputs={tmp_path}")
    paths = exporting.export(config)
    assert paths[0] == tmp_path / "ensembles/second__small/export/second__small-flip-fp32.onnx"
    pixels = val_of(run).pixels
    members = [predictor_of(loaded) for loaded in (run, directory.load(second))]
    expected = np.mean([predict(m, seen) for m in members for seen in (pixels, pixels[:, :, ::-1])], axis=0)
    np.testing.assert_allclose(OnnxModel.open(paths[0])(rgba_of(pixels)), expected, atol=1e-4)
    told = json.loads((evaluate_exported(paths[0], outputs=tmp_path) / "report.json").read_text())
    assert (told["tta"], told["members"]) == ("flip", ["small", "second"])
