"""Faces and nets whose attribution is known, and published studies."""

import numpy as np
import pytest
import torch
from torch import nn

from ferlab.expressions import K
from ferlab.nets.preprocess import Preprocess
from ferlab.studies.attribution import Logits
from ferlab.studies.kinds import KINDS
from tests.conftest import SmallNet, made_faces
from tests.unpacked import ENTRIES

SETTINGS = {"window_px": 8, "stride_px": 4, "steps": 32}
CPU = torch.device("cpu")
FACES = made_faces(seed=1).pixels[:5]
TARGET = np.array([0, 3, 2, 6, 1])


class Linear(nn.Module):
    """The logits are weighted sums of pixels in 0..1, so that every pixel's part is known."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(np.random.default_rng(5).normal(0, 0.01, (K, 48 * 48))).float())

    def forward(self, x):
        return x.flatten(1) @ self.weight.T


@pytest.fixture(scope="module")
def model():
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return Logits(Preprocess(48, 1, [0.5], [0.25]), SmallNet()).eval()


@pytest.fixture(scope="module")
def linear():
    return Logits(Preprocess(48, 1, [0.0], [1.0]), Linear()).eval()


def score(model, pixels):
    with torch.no_grad():
        return model(torch.from_numpy(np.asarray(pixels, np.float32))[:, None]).numpy()


def published(kind, place="val-none"):
    """The record of the first published study of a kind in SPLIT-VIEWS."""
    studies = (study for entry in ENTRIES.values() for study in entry.studies)
    return next(KINDS[kind].read(s.content, "studies.jsonl") for s in studies if (s.kind, s.place) == (kind, place))
