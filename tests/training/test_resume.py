"""Runs that are there already: which are returned, continued or trained anew."""

import logging

import pytest

from ferlab import files
from ferlab.runs import checkpoints, directory
from ferlab.training import fit as training
from ferlab.training import resume


@pytest.fixture
def small_data(monkeypatch, faces):
    monkeypatch.setattr(training, "open_config", lambda *a, **k: faces)


def closed(*args, **kwargs):
    pytest.fail("the data were opened")


@pytest.mark.usefixtures("small_data")
def test_a_finished_run_is_returned_at_once(config, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    run = training.train(config("trainer.max_epochs=1"))
    monkeypatch.setattr(training, "open_config", closed)
    how = ("num_workers=2", "save_every=5", "compile=false", "data.root=elsewhere", "trainer.devices=2")
    again = training.train(config("trainer.max_epochs=1", "skip_finished=true", *how))
    assert again.path == run.path
    assert again.info["val_accuracy"] == run.info["val_accuracy"]
    assert f"finished already: {run.path}" in caplog.text


@pytest.mark.usefixtures("small_data")
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lr=0.1", "lr=0.05, not 0.1"),
        ("trainer.max_epochs=2", "trainer.max_epochs=1, not 2"),
        ("augment=none", "augment.policy="),
        ("~model.net.width", "model.net.width=0.25, not nothing"),
    ],
)
def test_a_finished_run_of_another_config_is_trained_anew_and_the_key_named(config, caplog, override, message):
    caplog.set_level(logging.INFO)
    run = training.train(config("trainer.max_epochs=1"))
    words = ["trainer.max_epochs=1", "skip_finished=true", override]
    other = training.train(config(*words))
    assert other.path.name == f"{run.path.name}-2"
    assert message in caplog.text
    assert training.train(config(*words)).path == other.path  # it is found under its number


@pytest.mark.usefixtures("small_data")
def test_a_stopped_run_is_trained_anew_or_continued_where_that_is_typed(config, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    new = training.train(config("skip_finished=true", "ckpt=last"))  # nothing is there to continue
    assert new.info["status"] == "finished"
    files.write_json(new.path / directory.INFO, new.info | {"status": "running"})  # as a killed one leaves it
    anew = training.train(config("skip_finished=true"))
    assert anew.path.name == f"{new.path.name}-2"
    assert f"{new.path} was stopped before its end; skip_finished=true ckpt=last would continue it" in caplog.text
    files.write_json(anew.path / directory.INFO, anew.info | {"status": "failed"})
    (new.path / directory.CHECKPOINTS / checkpoints.LAST).unlink()
    continued = training.train(config("skip_finished=true", "ckpt=last"))
    assert continued.path == anew.path  # the newest that has a checkpoint
    assert continued.info["status"] == "finished"
    assert len(list(tmp_path.glob("outputs/five*"))) == 2


def test_a_key_that_is_null_is_as_good_as_one_that_was_not_there_yet():
    assert resume.differing({"lr": 0.1}, {"lr": 0.1, "only": None}) == []
    assert resume.differing({"lr": 0.1}, {"lr": 0.1, "only": "sad"}) == ["only=nothing, not sad"]


def test_the_keys_that_change_nothing_are_keys(config):
    assert set(resume.HOW_IT_RUNS) <= set(resume._flat(config()))
