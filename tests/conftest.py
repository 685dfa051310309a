"""Small faces and configs that every test may use."""

import gc
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.pop("FERLAB_DATA", None)  # a user's own data must not change what a test reads

import numpy as np
import pytest
import torch
from hydra.core.singleton import Singleton
from hypothesis import settings
from torch import nn

from ferlab import cli
from ferlab.data.faces import Faces, hard_targets
from ferlab.evaluation import measuring
from ferlab.evaluation.door import Door
from ferlab.expressions import K
from ferlab.nets.preprocess import Preprocess
from ferlab.predictors.predictor import Model, predict
from ferlab.runs.provenance import Provenance
from ferlab.studies.opening import Study
from tests.composing import composed

# The same few examples every time: a random test that fails now and then finds nobody who mends it.
settings.register_profile("ferlab", derandomize=True, max_examples=30, deadline=None, database=None)
settings.load_profile("ferlab")


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # the libraries: a garbage collection through all of them takes half a second


def made_faces(n_train: int = 160, n_val: int = 40, n_test: int = 40, seed: int = 0) -> Faces:
    """Faces that a small net learns in a few steps: each class a bright bar of its own under noise."""
    rng = np.random.default_rng(seed)
    n = n_train + n_val + n_test
    labels = np.arange(n) % K
    pixels = rng.integers(0, 120, (n, 48, 48), dtype=np.uint8)
    for i, k in enumerate(labels):
        pixels[i, 6 * k : 6 * k + 6, 8:40] += 100
    split = np.repeat(np.arange(3, dtype=np.uint8), (n_train, n_val, n_test))
    return Faces(pixels, hard_targets(labels), split, np.full(n, -1, np.int32), np.arange(n, dtype=np.int32))


@pytest.fixture
def faces() -> Faces:
    return made_faces()


@pytest.fixture
def disk(tmp_path: Path):
    """A function that mounts a small disk of its own, or skips where this user may not."""
    mounted: list[Path] = []

    def mount(size: str) -> Path:
        path = tmp_path / f"disk{len(mounted)}"
        path.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "ferlab-test", path], capture_output=True)
        if done.returncode:
            pytest.skip("mounting a small disk needs root")
        mounted.append(path)
        return path

    yield mount
    for path in mounted:
        subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture
def config(tmp_path: Path):
    """A function of overrides that gives conf/train.yaml as `train` takes it, small, on the CPU, in tmp_path."""
    small = [
        "+model.net.width=0.25",
        "batch_size=32",
        "trainer.max_epochs=3",
        "trainer.accelerator=cpu",
        "trainer.enable_progress_bar=false",
        "wandb=off",
        f"outputs={tmp_path / 'outputs'}",
    ]

    def config_of(*overrides: str):
        return composed(*small, *overrides)

    return config_of


def measure(
    runs: str | Sequence[str],
    tta: str | Sequence[str] | None = None,
    split: str = "val",
    name: str | None = None,
    each: bool = False,
    **options,
) -> Iterable[Path]:
    """`ferlab.evaluate` as a function: the folders of the reports; options as conf/evaluate.yaml calls them."""
    kept = {key: options.pop(key) for key in ("batch_size", "outputs", "skip_measured", "priors") if key in options}
    measured_by = measuring.Options(**kept | {"outputs": Path(kept.get("outputs", "outputs"))})
    door = Door(split, tta, options.pop("space", None), **options)
    if each:
        return measuring.evaluate_each(runs, door, measured_by)
    return measuring.evaluate(runs, door, measured_by, name)


@pytest.fixture
def typed(monkeypatch, tmp_path):
    """Run a task as the command `train` with words typed after it; Hydra's logging and state end with the test."""
    root = logging.getLogger()
    handlers, level, state = root.handlers[:], root.level, Singleton.get_state()
    monkeypatch.chdir(tmp_path)

    def run(task, *words, config_name="train"):
        monkeypatch.setattr(sys, "argv", [f"ferlab.{config_name}", *words])
        return cli.command(config_name)(task)()

    yield run
    root.handlers[:], root.level = handlers, level
    Singleton.set_state(state)


class SmallNet(nn.Sequential):
    """Two convolutions and a dense layer with the parts that real nets have: norms, in-place ReLU, pooling."""

    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 4, 5, stride=2, padding=2),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.Conv2d(4, 6, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(96, K),
        )


def made_study(
    folder: Path, kind: str, split: str = "val", seed: int = 0, faces: Faces | None = None, members: Sequence = ()
) -> Study:
    """A study of an untrained net on made faces, of which about six in ten are labelled as the net answers."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = SmallNet()
        net[-1].weight.data *= 6
    predictor = Model(Preprocess(48, 1, [0.5], [0.25]), net).eval()
    if faces is None:
        own = made_faces(seed=3).of_split(split)
        rng = np.random.default_rng(seed)
        labels = np.where(rng.random(len(own)) < 0.6, predict(predictor, own.pixels).argmax(1), own.labels)
        faces = Faces(own.pixels, hard_targets(labels), own.split, own.subject, own.row)
    of = Provenance(
        *("small", "net", ["small"], "made", split, ["w"], "f", "cpu"),
        evaluated_commit="c",
        evaluated_at="t",
        environment={},
        tta="none",
    )
    twins, home = np.zeros(len(faces), bool), folder / "small"
    return Study(kind, home / kind / f"{split}-none", home, members, predictor, torch.device("cpu"), faces, twins, of)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run directory of five_layer, a quarter wide, trained for one epoch on drawn faces.

    Tests share it, and which ones do depends on the workers: a test that writes into it takes `own_run`.
    """
    from ferlab.training.fit import train

    folder = tmp_path_factory.mktemp("trained")
    words = ["+model.net.width=0.25", "batch_size=32", "trainer.max_epochs=1", "trainer.accelerator=cpu", "wandb=off"]
    words += ["trainer.enable_progress_bar=false", f"outputs={folder}", f"data.root={folder}", "name=small"]
    words += ["data.n_train=140", "data.n_val=70", "data.n_test=70"]
    train(composed(*words))
    run = folder / "small"
    before = {*run.rglob("*")}
    yield run
    assert {*run.rglob("*")} - before == set(), "a test wrote into the run that all share; let it take own_run"


@pytest.fixture
def own_run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained run, to which a command may add files."""
    return Path(shutil.copytree(trained, tmp_path / "outputs" / "small"))
