"""Runs without files but with tiny nets, and the faces that they find."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ferlab.data.faces import Faces, hard_targets
from ferlab.predictors.predictor import Model
from ferlab.runs import directory


def faces_of(seed=0, n=60):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (n, 48, 48), dtype=np.uint8)
    split = np.repeat(np.array([0, 1, 2], np.uint8), n // 3)
    pixels[n // 3] = pixels[0]  # one val face and two test faces also stand in training
    pixels[-2:] = pixels[1:3]
    order = np.arange(n, dtype=np.int32)
    return Faces(pixels, hard_targets(rng.integers(0, 7, n)), split, np.full(n, -1, np.int32), order)


@dataclass
class FakeRun:
    path: Path
    seed: int = 0
    data: str = "fer2013"
    status: str = "finished"
    typed: str | None = None  # as its name in config.yaml
    retrained: str = ""

    @property
    def name(self):
        return self.path.name

    @property
    def config(self):
        return {"model": {"name": "linear"}, "data": {"name": self.data}, "name": self.typed or self.name}

    @property
    def info(self):
        told = {"model": "linear", "class_weights": "none", "parameters": 16135, "best_epoch": 3, "commit": "c0ffee"}
        priors = [(self.seed + 1 + k) / (7 * self.seed + 28) for k in range(7)]
        return {**told, "priors": priors, "seed": self.seed, "data": self.data, "status": self.status}

    @property
    def weights_sha256(self):
        return hashlib.sha256((self.name + self.retrained).encode()).hexdigest()

    def predictor(self):
        torch.manual_seed(self.seed)
        return Model(_Scale(), nn.Sequential(nn.Flatten(), nn.Linear(48 * 48, 7))).eval()

    def faces(self):
        return faces_of(int(self.data.removeprefix("fer2013").removeprefix("drawn") or 0))

    def metrics_rows(self):
        return [{"epoch": "0", "val/loss": "1.5"}, {"epoch": "1", "val/loss": "1.2"}]


class _Scale(nn.Module):
    def forward(self, faces):
        return faces.float() / 255


def add(known, name, **fields):
    path = Path("outputs") / name
    path.mkdir(parents=True)
    (path / "config.yaml").touch()
    known[path] = FakeRun(path, **fields)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Three runs of one data set and one of another in outputs/, the page left out: test_report has it."""
    monkeypatch.chdir(tmp_path)
    known = {}
    for name, seed, data in (("a-s0", 0, ""), ("a-s1", 1, ""), ("b-s2", 2, ""), ("other", 0, "drawn7")):
        add(known, name, seed=seed, data=data or "fer2013")
    monkeypatch.setattr(directory, "load", lambda path: known[Path(path)])
    monkeypatch.setattr("ferlab.ensembling.subject.predictor_of", lambda run: run.predictor())
    monkeypatch.setattr("ferlab.pages.report_page.write", lambda folder, *_: folder / "index.html")
    return known


def told(folder):
    return json.loads((folder / "report.json").read_text())
