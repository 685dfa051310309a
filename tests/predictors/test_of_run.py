"""A run's net is opened with its own weights, or refused."""

import pytest
import torch

from ferlab.errors import FerlabError
from ferlab.nets.five_layer import FiveLayer
from ferlab.predictors import of_run
from ferlab.runs.checkpoints import load
from ferlab.training import fit as training


@pytest.fixture
def run(config, monkeypatch, faces):
    monkeypatch.setattr(training, "open_config", lambda *a, **k: faces)
    return training.train(config("trainer.max_epochs=1", "name=run"))


def test_weights_of_another_net_are_refused_with_their_names(run):
    state = load(run.weights)["state_dict"]
    with pytest.raises(FerlabError, match=r"another net: \d+ of 30 tensors do not fit, as 0\.bias"):
        of_run.load_net(FiveLayer(1, 7, 0.3), state, run.weights)  # other width: each shape differs
    missing = {k: v for k, v in state.items() if k != "net.0.weight"}
    with pytest.raises(FerlabError, match=r"1 of 30 tensors do not fit, as 0\.weight"):
        of_run.load_net(of_run.nets_of(run.config)[0], missing, run.weights)
    with pytest.raises(FerlabError, match=r"do not fit, as 99\.weight"):
        of_run.load_net(of_run.nets_of(run.config)[0], state | {"net.99.weight": torch.zeros(1)}, run.weights)
    prefixed = {f"module.{k}": v for k, v in state.items()}
    with pytest.raises(FerlabError, match="30 of 30"):
        of_run.load_net(of_run.nets_of(run.config)[0], prefixed, run.weights)
