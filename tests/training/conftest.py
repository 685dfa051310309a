"""A classifier of given parts, and what tests of W&B's runs share."""

import os

import pytest
import torch
from torch import nn

from ferlab.expressions import K
from ferlab.training import fit
from ferlab.training.classifier import ExpressionClassifier
from ferlab.training.freeze import Learning
from ferlab.training.optimisation import Optimisation
from ferlab.training.targets import Targets
from tests.conftest import made_faces

OPTIMISATION = {
    "optimizer": "sgd",
    "lr": 0.1,
    "momentum": 0.9,
    "weight_decay": 1e-2,
    "schedule": "constant",
    "steps_per_epoch": 5,
    "warmup_epochs": 0,
    "plateau_patience": 0,
    "sam_rho": 0.0,
}
TARGETS = {
    "class_weights": torch.ones(K),
    "label_smoothing": 0.0,
    "mix": None,
    "teacher": None,
    "teacher_share": 0.0,
}


def optimisation(**changes) -> Optimisation:
    return Optimisation(**OPTIMISATION | changes)


def classifier(
    net: nn.Module | None = None, learning: Learning | None = None, seed: int = 0, **changes
) -> ExpressionClassifier:
    """A classifier without preprocessing, which only flattens unless there is a net; changes of its dataclasses."""
    targets = Targets(**TARGETS | {key: changes.pop(key) for key in TARGETS if key in changes})
    return ExpressionClassifier(
        nn.Identity(),
        net or nn.Flatten(),
        optimisation(**changes),
        targets,
        learning or Learning(),
        compile_step=False,
        seed=seed,
    )


@pytest.fixture
def wandb_home(tmp_path, monkeypatch):
    """No settings, keys or folders of whoever runs the tests, made faces, and no run left open."""
    for name in [n for n in os.environ if n.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "the_home_folder"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(fit, "open_config", lambda *a, **k: made_faces())
    yield
    import wandb

    wandb.teardown()
