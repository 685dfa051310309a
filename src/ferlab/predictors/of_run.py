"""A run directory in, its trained net as a predictor out."""

from pathlib import Path

import torch
from torch import nn

from ferlab.config import build
from ferlab.errors import FerlabError
from ferlab.files import Config
from ferlab.nets.preprocess import Preprocess
from ferlab.predictors.predictor import Model
from ferlab.runs import checkpoints
from ferlab.runs.directory import Run


def predictor_of(run: Run) -> Model:
    """The measured model on the CPU, in eval mode: faces [B,1,48,48] -> probabilities [B,7].

    Raises:
        FerlabError: the checkpoint is damaged, or of another net than the config's.
    """
    net, preprocess = nets_of(run.config)
    load_net(net, checkpoints.load(run.weights)["state_dict"], run.weights)
    return Model(preprocess, net).eval()


def nets_of(config: Config) -> tuple[nn.Module, Preprocess]:
    """A new net and its preprocessing, as a run's config says them; raises FerlabError as `config.build`."""
    if "model" not in config:
        raise FerlabError("a run's config has no model; expected net and input in it: copy the run again")
    preprocess = {**config["model"]["input"], "_target_": f"{Preprocess.__module__}.{Preprocess.__name__}"}
    return build(config["model"]["net"]), build(preprocess)


def load_net(net: nn.Module, state: dict[str, torch.Tensor], source: Path) -> None:
    """Fill a net from a classifier's state_dict (keys `net.*`).

    Raises:
        FerlabError: a key is missing or left over, or a shape differs: the checkpoint is of another net.
    """
    own = {key.removeprefix("net."): value for key, value in state.items() if key.startswith("net.")}
    expected = net.state_dict()
    differing = [k for k in expected.keys() | own.keys() if k not in own or k not in expected]
    differing += [k for k in expected.keys() & own.keys() if expected[k].shape != own[k].shape]
    if differing:
        raise FerlabError(
            f"{source} is of another net: {len(differing)} of {len(expected)} tensors do not fit, as {min(differing)}; "
            "give the model it was trained with"
        )
    net.load_state_dict(own)
