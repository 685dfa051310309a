"""Small faces and configs that every test may use."""

import os
from pathlib import Path

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from ferlab.cli import CONF, plain
from ferlab.data.faces import Faces, hard_targets
from ferlab.expressions import K


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
        with initialize_config_dir(CONF, version_base="1.3"):
            return plain(compose("train", overrides=[*small, *overrides]))

    return config_of
