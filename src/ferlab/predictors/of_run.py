"""A run directory in, its trained net as a predictor out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ferlab.config import build
from ferlab.errors import FerlabError, in_a_line
from ferlab.expressions import K
from ferlab.files import Config
from ferlab.images import SIDE
from ferlab.inference import priors
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
    net, preprocess = build(config["model"]["net"]), build(preprocess)
    _refuse_unfit(net, preprocess)
    return net, preprocess


def _refuse_unfit(net: nn.Module, preprocess: Preprocess) -> None:
    """Let a net answer to two faces, which draws no number and changes none of its own.

    Raises:
        FerlabError: it does not take what the preprocessing gives, or does not answer with a logit a class.
    """
    training = net.training
    try:
        with torch.no_grad():
            found = list(net.eval()(preprocess(torch.zeros(2, 1, SIDE, SIDE))).shape)
    except Exception as error:  # whatever a net of others raises
        raise FerlabError(f"model.net does not take model.input ({in_a_line(error)[:200]})") from error
    net.train(training)
    if found != [2, K]:
        raise FerlabError(f"model.net gives {found} for 2 faces, expected [2,{K}]: type model.net.classes={K}")


def _is_weight(key: Any, value: Any) -> bool:
    return isinstance(key, str) and key.startswith("net.") and isinstance(value, torch.Tensor)


def load_net(net: nn.Module, state: dict[str, torch.Tensor], source: Path) -> None:
    """Fill a net from a classifier's state_dict (keys `net.*`).

    Raises:
        FerlabError: a key is missing or left over, or a shape differs: the checkpoint is of another net.
    """
    own = {key.removeprefix("net."): value for key, value in state.items() if _is_weight(key, value)}
    expected = net.state_dict()
    differing = [k for k in expected.keys() | own.keys() if k not in own or k not in expected]
    differing += [k for k in expected.keys() & own.keys() if expected[k].shape != own[k].shape]
    if differing:
        raise FerlabError(
            f"{source} is of another net: {len(differing)} of {len(expected)} tensors do not fit, as {min(differing)}; "
            "give the model it was trained with"
        )
    net.load_state_dict(own)


def priors_of(runs: Sequence[Run], weights: Sequence[float] | None = None) -> np.ndarray:
    """The class shares that the mean of M runs' answers takes for granted, float64 [7]: of each run by its weight.

    Raises:
        FerlabError: as `inference.priors.of_run`.
    """
    return np.average([priors.of_run(run.config, run.info) for run in runs], axis=0, weights=weights)
