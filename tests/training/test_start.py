"""Pretrained weights in training: what they are, the input they need and what a run keeps of them."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from ferlab.deploy import weights_files
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.inference import models
from ferlab.predictors import zoo
from ferlab.predictors.of_run import predictor_of
from ferlab.runs import directory
from ferlab.training import fit as training
from tests.composing import composed
from tests.conftest import made_faces

NET = [
    "model=resnet50",
    "~model.net.width",
    "model.net.backbone=resnet18",
    "model.net.hidden=[]",
    "model.input.size=32",
]
SMALL = [*NET, "trainer.max_epochs=1", "ema_decay=0"]
FACES = made_faces(64, 16, 16)
MEAN, STD = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]


@pytest.fixture
def train(config, monkeypatch):
    monkeypatch.setattr(training, "open_config", lambda *a, **k: FACES)
    return lambda *overrides: training.train(config(*overrides))


@pytest.fixture(scope="module")
def trained_source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    words = ["+model.net.width=0.25", *SMALL, "batch_size=32", "trainer.accelerator=cpu", "wandb=off"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "open_config", lambda *a, **k: FACES)
        words += ["trainer.enable_progress_bar=false", f"outputs={folder}", "name=source"]
        words += [f"model.input.mean={MEAN}", f"model.input.std={STD}"]
        return training.train(composed(*words)).path


@pytest.fixture
def source(trained_source, tmp_path) -> directory.Run:
    return directory.load(shutil.copytree(trained_source, tmp_path / "outputs" / "source"))


def test_a_run_starts_from_the_weights_and_their_input(train, source):
    frozen = ["freeze=backbone", "train_norms=false"]
    run = train(*SMALL, *frozen, f"weights={source.weights}", "name=pupil")
    assert (run.config["model"]["input"]["mean"], run.config["model"]["input"]["std"]) == (MEAN, STD)
    assert run.info["weights"].endswith("ferlab run source")
    assert str(source.path.parent) not in run.info["weights"]
    own, theirs = predictor_of(run), predictor_of(source)
    faces = torch.randint(0, 256, (4, 1, 48, 48), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    with torch.inference_mode():  # the frozen backbone computes what it did, normalisation included
        mine = own.net.backbone(own.preprocess(faces))
        torch.testing.assert_close(mine, theirs.net.backbone(theirs.preprocess(faces)), rtol=0, atol=0)


def test_a_run_of_the_same_net_starts_with_the_head_too(train, source, caplog):
    caplog.set_level("INFO")
    still = [*SMALL, "freeze=backbone", "train_norms=false", "lr=1e-30", f"weights={source.weights}"]
    own = predictor_of(train(*still, "name=pupil")).net.head.state_dict()
    theirs = predictor_of(source).net.head.state_dict()
    assert own.keys() == theirs.keys()
    for name in own:
        torch.testing.assert_close(own[name], theirs[name], rtol=0, atol=0)
    assert "the head's 2 tensors too" in caplog.text
    caplog.clear()
    other = train(*still, "model.net.hidden=[9]", "name=other")
    assert predictor_of(other).net.head[-1].in_features == 9
    assert "its head is of another shape: this run's starts anew" in caplog.text


def test_a_finished_run_with_weights_is_not_trained_again(train, source):
    again = [*SMALL, f"weights={source.weights}", "name=pupil", "skip_finished=true"]
    first = train(*again)
    before = first.weights.stat().st_mtime_ns
    assert train(*again).path == first.path
    assert first.weights.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["weights=absent.pth"], "absent.pth"),
        (["weights=hub", "model.net.backbone=resnet18"], None),
    ],
)
def test_weights_that_cannot_be_had_stop_before_a_run_begins(train, tmp_path, monkeypatch, overrides, message):
    def unreachable(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("ferlab.training.pretrained.hub._fetch", unreachable)
    net = [o for o in SMALL if "backbone" not in o]
    with pytest.raises(FerlabError, match=message or "cannot be fetched .*no route to host.*weights=PATH"):
        train(*net, *overrides, "name=pupil")
    assert not (tmp_path / "outputs" / "pupil").exists()


def test_a_net_without_a_backbone_takes_no_weights(train, tmp_path):
    with pytest.raises(FerlabError, match="model=five_layer has no timm backbone that weights=hub could be for"):
        train("weights=hub")
    assert not (tmp_path / "outputs").exists()


def test_a_net_without_a_backbone_starts_from_a_run_of_its_own(train, config, tmp_path):
    source = train("model=five_layer", "trainer.max_epochs=1", "ema_decay=0", "name=source")
    still = ["model=five_layer", "trainer.max_epochs=1", "ema_decay=0", "lr=0", "augment=none"]
    pupil = train(*still, f"weights={source.weights}", "name=pupil")
    mine, theirs = (dict(predictor_of(run).net.named_parameters()) for run in (pupil, source))
    for name, values in theirs.items():  # batch norms' averages go on
        torch.testing.assert_close(mine[name], values, rtol=0, atol=0)
    assert pupil.info["weights"] == f"best.ckpt sha256 {source.weights_sha256}"
    with pytest.raises(FerlabError, match=r"best\.ckpt"):  # of a wider net
        train("model=five_layer", "model.net.width=0.5", f"weights={source.weights}", "name=other")
    with pytest.raises(FerlabError, match=r"absent\.ckpt is no checkpoint file"):
        train("model=five_layer", "weights=absent.ckpt", "name=other")
    assert not (tmp_path / "outputs" / "other").exists()


def in_the_package(run, folder, monkeypatch):
    """The weights of a run as the model `kept` of a package in `folder`."""
    kept = {"expressions": EXPRESSIONS, "sha256": "a", "runs": [{"config": run.config}]}
    stated = weights_files.write(predictor_of(run), made_faces().of_split("val"), folder / "kept", 20)
    (folder / "kept.onnx").touch()
    (folder / "kept.json").write_text(json.dumps(kept | {"safetensors": stated}))
    monkeypatch.setattr(models, "_FOLDER", folder)


def test_a_run_starts_from_an_exported_model_s_backbone_head_and_input(train, source, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    in_the_package(source, tmp_path, monkeypatch)
    still = [*SMALL, "freeze=backbone", "train_norms=false", "lr=1e-30", "weights=kept", "name=pupil"]
    run = train(*still)
    assert (run.config["model"]["input"]["mean"], run.config["model"]["input"]["std"]) == (MEAN, STD)
    assert run.info["weights"].startswith("zoo: kept, sha256 ")
    assert "the head's 2 tensors too" in caplog.text
    faces = torch.randint(0, 256, (4, 1, 48, 48), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(predictor_of(run)(faces), zoo.load("kept")(faces).softmax(1), rtol=1e-5, atol=1e-6)
    with pytest.raises(FerlabError, match=r"kept.* is not of resnet34: "):
        train(*SMALL, "model.net.backbone=resnet34", "weights=kept", "name=other")


def test_a_net_that_is_not_timm_s_starts_from_an_exported_model_of_its_own(train, tmp_path, monkeypatch):
    short = ["model=five_layer", "trainer.max_epochs=1", "ema_decay=0"]
    source = train(*short, "name=source", "model.input.mean=[0.3]")
    in_the_package(source, tmp_path, monkeypatch)
    run = train(*short, "lr=1e-30", "weights=kept", "name=pupil")
    assert run.config["model"]["input"]["mean"] == [0.3]
    assert run.info["weights"].startswith("zoo: kept, sha256 ")
    mine, theirs = predictor_of(run).net[0].weight, zoo.load("kept").net[0].weight
    torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    with pytest.raises(FerlabError, match="kept is of another net"):
        train(*short, "model.net.width=0.5", "weights=kept", "name=other")
