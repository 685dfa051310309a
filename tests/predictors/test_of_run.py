"""A run's net is opened with its own weights, or refused."""

import pickle
import socket

import pytest
import torch
import yaml

from ferlab.config import build
from ferlab.errors import FerlabError
from ferlab.nets.five_layer import FiveLayer
from ferlab.predictors import of_run
from ferlab.runs import directory
from ferlab.runs.checkpoints import load
from ferlab.training import teacher
from tests.conftest import measure


@pytest.fixture
def run(trained):
    return directory.load(trained)


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


class Marker:
    """Code in a pickle: it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def changed(path, **model):
    """A run as somebody else may have written it."""
    config = yaml.safe_load((path / directory.CONFIG).read_text())
    for key, values in model.items():
        config["model"][key] = {**config["model"][key], **values} if "_target_" not in values else values
    (path / directory.CONFIG).write_text(yaml.safe_dump(config))
    return path


USES = {
    "open": lambda path: of_run.predictor_of(directory.load(path)),
    "evaluate": lambda path: list(measure(str(path), "none", "val")),
    "teach": lambda path: teacher.find(str(path), "consistent", path).predictor(1.0),
}


@pytest.mark.parametrize("use", USES)
def test_the_config_of_a_foreign_run_runs_nothing(use, own_run, tmp_path):
    marker = tmp_path / "marker"
    (tmp_path / "x.bin").write_bytes(pickle.dumps(Marker(marker)))
    value = "${oc.create:{_target_: torch.load, f: " + str(tmp_path / "x.bin") + ", weights_only: false}}"
    with pytest.raises(FerlabError, match="expected a plain value"):
        USES[use](changed(own_run, net={"dropout": value}))
    assert not marker.exists()


@pytest.mark.parametrize(
    "backbone", ["hf-hub:evil/x", "hf_hub:evil/x", "timm/resnet18", "local-dir:.", "", None, ["x"]]
)
def test_a_backbone_of_a_foreign_run_asks_no_network_and_no_folder(backbone, own_run, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: pytest.fail("asks the network"))
    net = {"_target_": "ferlab.nets.transfer.Transfer", "backbone": backbone, "channels": 1, "classes": 7}
    with pytest.raises(FerlabError, match=r"timm knows no|transfer\.Transfer: "):
        of_run.predictor_of(directory.load(changed(own_run, net={**net, "hidden": [], "dropout": 0.0})))


@pytest.mark.parametrize(
    "wrong",
    [{"size": 0}, {"size": -1}, {"size": "x"}, {"size": 2.5}, {"std": [0.0]}, {"std": [-1.0]}, {"mean": []},
     {"mean": ["x"]}, {"scale": 0}, {"scale": float("nan")}, {"sizes": 48}, {"size": "${oc.env:HOME}"}],
)  # fmt: skip
def test_an_input_that_no_face_can_be_brought_to_is_one_line(wrong, own_run):
    with pytest.raises(FerlabError, match=r"Preprocess: |expected a plain value|another type") as caught:
        of_run.predictor_of(directory.load(changed(own_run, input=wrong)))
    assert "\n" not in str(caught.value)


def test_opening_a_net_draws_no_number_beside_its_weights_and_leaves_it_as_built(config):
    asked = config("model.net.dropout=0.5")
    torch.manual_seed(1)
    built = build(asked["model"]["net"])
    state = torch.get_rng_state()
    torch.manual_seed(1)
    net, _ = of_run.nets_of(asked)
    assert torch.equal(torch.get_rng_state(), state)
    assert net.training
    assert all(module.training for module in net.modules())
    found, expected = net.state_dict(), built.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in found)
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": 5}, r"gives \[2, 5\] for 2 faces, expected \[2,7\]"),
        ({"channels": 3}, "does not take model.input"),
        ({"_target_": "torch.nn.Flatten"}, r"gives \[2, 2304\]"),
        ({"_target_": "torch.nn.Linear", "in_features": 5, "out_features": 7}, "does not take model.input"),
    ],
)
def test_a_net_that_does_not_answer_seven_logits_is_one_line(change, message, own_run):
    net = change if "_target_" in change else None
    path = changed(own_run, net=net or change)
    with pytest.raises(FerlabError, match=message) as caught:
        list(measure(str(path), "none", "val"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [5, None, "x", [1.0]])
def test_weights_that_are_no_tensors_are_of_another_net(run, value):
    state = load(run.weights)["state_dict"]
    with pytest.raises(FerlabError, match=r"1 of 30 tensors do not fit, as 0\.weight"):
        of_run.load_net(of_run.nets_of(run.config)[0], state | {"net.0.weight": value, 7: 1}, run.weights)
