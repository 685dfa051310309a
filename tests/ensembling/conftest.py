"""Three small runs of different inputs, trained once, and what tests ask of ensembles of them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax

from ferlab.ensembling import search
from ferlab.predictors import of_run, views
from ferlab.predictors.warping import warp
from ferlab.runs import directory
from ferlab.training import fit as training
from tests.composing import composed
from tests.conftest import made_faces

FACES = made_faces(96, 70, 56)


NETS = {
    "plain-s0": ("+model.net.width=0.25", "seed=0"),
    "colour-s1": (
        "+model.net.width=0.25",
        "seed=1",
        "model.net.channels=3",
        "model.input={size: 48, channels: 3, mean: [0.4, 0.5, 0.6], std: [0.2, 0.3, 0.3]}",
    ),
    "small-s2": (
        *("model=resnet18", "model.net.width=0.125", "model.net.layers=[1,1,1,1]", "model.net.stochastic_depth=0"),
        *("model.input.size=24", "seed=2", "trainer.max_epochs=3"),
    ),
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A folder with finished runs in outputs/."""
    folder = tmp_path_factory.mktemp("trained")
    small = ["batch_size=16", "trainer.max_epochs=2", "trainer.accelerator=cpu", "trainer.enable_progress_bar=false"]
    small.append("trainer.precision=32-true")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "open_config", lambda *a, **k: FACES)
        for name, overrides in NETS.items():
            given = [*small, *overrides, f"name={name}", "wandb=off", f"outputs={folder / 'outputs'}"]
            training.train(composed(*given))
    return folder


@pytest.fixture
def made(trained, tmp_path, monkeypatch):
    """The runs in outputs/ of the working directory, and the faces that they find."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(directory, "open_config", lambda *a, **k: FACES)
    monkeypatch.setattr("ferlab.pages.report_page.write", lambda folder, *_: folder / "index.html")


def choose(name="best", *overrides, **config):
    given = composed("runs=outputs/*", "folds=4", "repeats=2", "device=cpu", *overrides, command="ensemble")
    return search.choose({**given, "name": name, **config})


def said(folder: Path) -> dict:
    return json.loads((folder / "members.json").read_text())


def by_hand(about: dict, pixels: np.ndarray) -> np.ndarray:
    """What a frozen file says, written out in numpy: logits of each member in each view -> the vote [N,7]."""
    faces, total = torch.from_numpy(pixels.copy()).unsqueeze(1), 0.0
    for member in about["members"]:
        model, logits = of_run.predictor_of(directory.load(member["path"])), []
        for mirror, shift, zoom, turn in about["views"]:
            with torch.inference_mode():
                warped = warp(faces, views.View(mirror, tuple(shift), zoom, turn))
                logits.append(model.net(model.preprocess(warped)).double().numpy())
        logits = np.stack(logits)
        p = softmax(logits.mean(0), 1) if about["tta_space"] == "logit" else softmax(logits, 2).mean(0)
        p = p ** (1 / member["temperature"])
        total = total + member["weight"] * p / p.sum(1, keepdims=True)
    return total
