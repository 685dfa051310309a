"""The modes of W&B."""

import sys

import pytest

from ferlab.errors import FerlabError
from ferlab.training import wandb_runs


@pytest.mark.parametrize(
    ("given", "allowed", "mode"),
    [
        *(("online", None, "online"), ("offline", None, "offline"), ("off", None, "off"), (False, None, "off")),
        *(("online", "disabled", "off"), ("offline", "disabled", "off"), ("online", "offline", "offline")),
        *(("off", "online", "off"), ("offline", "online", "offline"), ("off", "offline", "off")),
    ],
)
def test_a_run_is_where_the_config_wants_it_and_wandb_mode_allows_it(monkeypatch, given, allowed, mode):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    if allowed:
        monkeypatch.setenv("WANDB_MODE", allowed)
    assert wandb_runs.wandb_mode(given) == mode


def test_an_unknown_mode_names_the_known_ones():
    with pytest.raises(FerlabError, match="wandb is True; choose online, offline, off"):
        wandb_runs.wandb_mode(True)


def test_tags_have_the_64_characters_that_wandb_takes():
    assert wandb_runs.tags("a" * 70, "b") == ["a" * 64, "b"]


def test_without_the_package_there_is_no_run(monkeypatch, tmp_path, caplog):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert wandb_runs.opened(tmp_path, "offline", name="x") is None
    assert "wandb is not installed" in caplog.text
