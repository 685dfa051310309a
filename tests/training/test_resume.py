"""Runs that are there already: which are returned, continued or trained anew."""

import dataclasses
import logging
import os
import platform
import shutil
from pathlib import Path

import pytest

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.runs import checkpoints, directory, lock
from ferlab.training import fit as training
from ferlab.training import resume, trainer
from ferlab.training.run_facts import RunFacts
from tests.composing import composed
from tests.conftest import made_faces


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


def test_a_key_that_is_off_is_as_good_as_one_that_was_not_there_yet():
    assert resume.differing({"lr": 0.1}, {"lr": 0.1, "only": None, "mixup": 0.0, "dedup": "none"}) == []
    assert resume.differing({"lr": 0.1}, {"lr": 0.1, "only": "sad"}) == ["only=nothing, not sad"]
    assert resume.differing({"mixup": 0.2}, {"mixup": 0.0}) == ["mixup=0.2, not 0.0"]


RECIPES = [
    ("lr=0.5", r"lr=0\.05, not 0\.5"),
    ("momentum=0.1", "momentum=0.9"),
    ("weight_decay=0", "weight_decay=0.0001"),
    ("class_weights=balanced", "class_weights=none"),
    ("augment=none", "augment.policy="),
    ("mixup=0.1", "mixup=0.0"),
    ("ema_decay=0", "ema_decay=0.999"),
    ("label_smoothing=0.1", "label_smoothing=0.0"),
    ("only=[sad,neutral]", r"only=None, not \['sad', 'neutral'\]"),
    ("model.input.mean=[0.1]", "model.input.mean="),
    ("model=baseline", "model.name=five_layer"),
    ("seed=1", "seed=0"),
    ("batch_size=16", "batch_size=32"),
    ("trainer.limit_train_batches=0.5", "trainer.limit_train_batches=1.0"),
    ("trainer.precision=16-mixed", "trainer.precision="),
    ("+trainer.accumulate_grad_batches=2", "trainer.accumulate_grad_batches=nothing"),
    ("trainer.gradient_clip_val=1.0", "trainer.gradient_clip_val=None"),
    ("trainer.devices=2", "trainer.devices=1"),  # on a CPU, where the weights would be others
]


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory) -> Path:
    outputs = tmp_path_factory.mktemp("short")
    words = ["+model.net.width=0.25", "batch_size=32", "trainer.max_epochs=1", "trainer.accelerator=cpu", "name=one"]
    words += ["trainer.enable_progress_bar=false", "wandb=off", f"outputs={outputs}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "open_config", lambda *a, **k: made_faces())
        training.train(composed(*words))
    return outputs


@pytest.fixture
def short(trained_once, tmp_path) -> Path:
    """A folder with a run of one epoch."""
    return Path(shutil.copytree(trained_once, tmp_path / "short"))


def facts_of(short: Path, **changed) -> RunFacts:
    """The facts of that run, as they are known before the first step."""
    info = directory.load(short / "one").info
    known = {field.name: info[field.name] for field in dataclasses.fields(RunFacts) if field.name in info}
    return RunFacts(**known | {"continued": None} | changed)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("override", "message"), RECIPES)
def test_continuing_by_another_recipe_is_refused_before_anything_is_written(config, short, override, message):
    before = content(short)
    widthless = [] if "model=" not in override else ["~model.net.width"]
    typed = config("name=one", f"outputs={short}", "trainer.max_epochs=2", "ckpt=last", override, *widthless)
    precision = typed["trainer"]["precision"].replace("auto", trainer.precision_of("auto", cuda=False))
    with (
        pytest.raises(FerlabError, match=f"{message}.* Type what it had to continue it, or leave out ckpt=last"),
        resume.run_directory(typed, 0, facts_of(short, precision=precision), exact=True),
    ):
        pass
    assert content(short) == before


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"faces_sha256": {"train": "0", "val": "0"}}, "other faces than lie there now"),
        (
            {"weights": "best.ckpt sha256 0", "teacher": {"runs": ["a"]}},
            "other weights to start from and other answers",
        ),
    ],
)
def test_continuing_from_other_files_of_the_same_names_is_refused(config, short, changed, message):
    before = content(short)
    typed = config("name=one", f"outputs={short}", "ckpt=last")
    with (
        pytest.raises(FerlabError, match=message),
        resume.run_directory(typed, 0, facts_of(short, **changed), exact=True),
    ):
        pass
    assert content(short) == before


def test_the_precision_counts_not_what_it_is_called(config, short):
    typed, own = config("name=one", f"outputs={short}", "ckpt=last"), facts_of(short)
    other = "32-true" if own.precision != "32-true" else "bf16-mixed"
    with (
        pytest.raises(FerlabError, match=f"precision={own.precision}, not {other}"),
        resume.run_directory(typed, 0, facts_of(short, precision=other), True),
    ):
        pass
    typed["trainer"]["precision"] = own.precision
    with resume.run_directory(typed, 0, own, exact=True) as place:
        assert place.continued[-1]["changed"] == {"trainer.max_epochs": [1, 3]}


@pytest.mark.parametrize("reached", [None, float("nan")])
def test_a_run_that_reached_nothing_is_not_finished(config, short, reached):
    typed = config("name=one", f"outputs={short}", "trainer.max_epochs=1")
    run = resume.finished_run(typed)
    assert run.path == short / "one"
    info = {key: value for key, value in run.info.items() if key != "val_accuracy"}
    files.write_json(run.path / directory.INFO, info if reached is None else info | {"val_accuracy": reached})
    assert resume.finished_run(typed) is None


def test_a_run_whose_best_weights_are_gone_is_not_continued(config, short):
    (short / "one/checkpoints/best.ckpt").unlink()
    typed = config("name=one", f"outputs={short}", "ckpt=last")
    with (
        pytest.raises(FerlabError, match=r"best\.ckpt is no checkpoint file; put the best weights back, or leave out"),
        resume.run_directory(typed, 0, facts_of(short), exact=True),
    ):
        pass


def test_the_time_of_a_start_that_was_killed_counts_up_to_its_checkpoint(config, short):
    info = directory.load(short / "one").info
    killed = {key: value for key, value in info.items() if key != "seconds"} | {"status": "running"}
    files.write_json(short / "one" / directory.INFO, killed)
    typed = config("name=one", f"outputs={short}", "ckpt=last")
    with resume.run_directory(typed, 0, facts_of(short), exact=True) as place:
        assert 0 < place.seconds <= info["seconds"] + 0.1


def test_what_a_killed_process_left_is_cleared(config, short):
    left = short / "one/checkpoints/last.ckpt.123.part"
    left.write_bytes(b"half")
    typed = config("name=one", f"outputs={short}", "ckpt=last")
    with resume.run_directory(typed, 0, facts_of(short), exact=True):
        assert not left.exists()


def test_a_run_is_continued_by_one_process_at_a_time(config, short, monkeypatch):
    monkeypatch.setattr(lock, "_WAIT_S", 0.1)
    typed, facts = config("name=one", f"outputs={short}", "ckpt=last"), facts_of(short)
    with resume.run_directory(typed, 0, facts, exact=True):
        before = content(short)
        with (
            pytest.raises(FerlabError, match=rf"is written by process {os.getpid()} on {platform.node()} since 20"),
            resume.run_directory(typed, 0, facts, exact=True),
        ):
            pass
        assert content(short) == before
    with resume.run_directory(typed, 0, facts, exact=True):
        pass


def test_the_keys_that_change_nothing_are_keys(config):
    assert set(resume.HOW_IT_RUNS) <= set(resume._flat(config()))
