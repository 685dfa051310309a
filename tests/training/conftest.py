"""What tests of W&B's runs share."""

import os

import pytest

from ferlab.training import fit
from tests.conftest import made_faces


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
