"""Curves on disk whatever W&B does: without an account, a network, the package, or a folder to write to."""

import contextlib
import csv
import hashlib
import json
import os
import socket
import sqlite3
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.jobs import typed
from ferlab.predictors import predictor
from ferlab.predictors.of_run import predictor_of
from ferlab.runs import directory
from ferlab.training import compose, loggers
from ferlab.training import fit as training
from ferlab.training.classifier import ExpressionClassifier
from ferlab.training.run_facts import RunFacts
from tests.conftest import made_faces
from tests.training.offline_wandb import read

KEY = "0123456789abcdef" * 2 + "01234567"


pytestmark = pytest.mark.usefixtures("wandb_home")


def curves(run: Path) -> dict[str, list[float]]:
    """Columns of the CSV logs."""
    found: dict[str, list[float]] = {}
    for path in sorted(run.glob("log/*/metrics.csv")):
        for row in csv.DictReader(path.open(newline="")):
            for name, value in row.items():
                if value:
                    found.setdefault(name, []).append(float(value))
    return found


def assert_csv_is_complete(run: Path, epochs: int) -> None:
    columns = curves(run)
    for name in ("val/accuracy", "val/macro_recall", "val/macro_f1", "val/loss", "train/loss", "train/accuracy", "lr"):
        assert len(columns[name]) == epochs, name


def test_an_offline_run_holds_curves_config_and_pictures_and_nothing_private(config, monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    outputs = Path(os.environ["HOME"]) / "outputs"
    run = training.train(config("wandb=offline", "trainer.max_epochs=2", f"outputs={outputs}", "data=fer2013+aux"))
    assert_csv_is_complete(run.path, 2)
    found = read(run.path)
    for name in ("val/accuracy", "val/macro_recall", "train/loss", "lr"):
        assert found["curves"][name] == pytest.approx(curves(run.path)[name], rel=1e-5), name
    assert found["exit"] == 0

    assert found["run"].project == "ferlab"
    assert found["run"].display_name == "five_layer-fer2013+aux-none-s0"
    assert found["run"].run_group == "five_layer-fer2013+aux"
    assert found["run"].job_type == "train"
    tags = {"class_weights=none", "balance=none", "weights=none", "teacher=no"}
    assert set(found["run"].tags) == {"five_layer", "fer2013+aux", *tags}
    assert found["config"]["data"] == "fer2013+aux"
    assert found["config"]["lr"] == 0.05
    assert found["config"]["model"]["name"] == "five_layer"

    logged = str(found["run"]) + json.dumps(found["config"])
    for private in (os.environ["HOME"], KEY, str(tmp_path), socket.gethostname() or "-"):
        assert f'"{private}' not in logged
    assert "host" not in found["config"]
    assert found["run"].host in ("", "-")
    for path in run.path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path

    [confusion] = run.path.glob("wandb/offline-run-*/files/media/table/val/confusion_table*.json")
    rows = json.loads(confusion.read_text())["data"]
    assert [row[:2] for row in rows] == [[a, b] for a in EXPRESSIONS for b in EXPRESSIONS]
    assert sum(row[2] for row in rows) == 40
    right = sum(n for true, predicted, n in rows if true == predicted)
    assert right / 40 == pytest.approx(curves(run.path)["val/accuracy"][-1])

    [samples] = run.path.glob("wandb/offline-run-*/files/media/table/val/samples*.json")
    table = json.loads(samples.read_text())
    assert table["columns"] == ["face", "true", "predicted", *EXPRESSIONS]
    assert len(table["data"]) == 40
    assert all(sum(row[3:]) == pytest.approx(1, abs=1e-3) for row in table["data"])
    [mistakes] = run.path.glob("wandb/offline-run-*/files/media/table/val/mistakes*.json")
    rows = json.loads(mistakes.read_text())["data"]
    assert len(rows) == round(40 * (1 - curves(run.path)["val/accuracy"][-1]))
    assert all(row[1] != row[2] == EXPRESSIONS[int(np.argmax(row[3:]))] for row in rows)
    surest = [max(row[3:]) for row in rows]
    assert surest == sorted(surest, reverse=True)
    [drawn] = run.path.glob("wandb/offline-run-*/files/media/table/val/precision_recall_table*.json")
    table = json.loads(drawn.read_text())
    probabilities = predictor.predict(predictor_of(run), made_faces().of_split("val").pixels)
    labels = made_faces().of_split("val").labels
    for k, name in enumerate(EXPRESSIONS):
        points = [dict(zip(table["columns"], row, strict=True)) for row in table["data"] if name in row]
        precision, recall, _ = precision_recall_curve(labels == k, probabilities[:, k])
        assert points
        for point in points:  # W&B takes the curve's steps at even recalls
            steps = precision[np.abs(recall - point["recall"]) <= 1 / (labels == k).sum()]
            assert np.abs(steps - point["precision"]).min() < 2e-3

    made = {artifact.name: artifact for artifact in found["artifacts"] if artifact.type in ("dataset", "model")}
    assert {name: artifact.type for name, artifact in made.items()} == {
        "fer2013-aux": "dataset",
        "five_layer-fer2013-aux-none-s0": "model",
    }
    known, kept = (json.loads(artifact.metadata) for artifact in made.values())
    train_faces = made_faces().of_split("train")
    assert known["faces"]["train"] == dict(zip(EXPRESSIONS, train_faces.targets.sum(0).tolist(), strict=True))
    digest = hashlib.sha256(train_faces.pixels.tobytes() + train_faces.labels.tobytes()).hexdigest()
    assert known["faces_sha256"]["train"] == kept["dataset"]["train"] == digest
    assert kept["weights_sha256"] == hashlib.sha256(run.weights.read_bytes()).hexdigest()
    assert kept["val_accuracy"] == pytest.approx(run.info["val_accuracy"])

    # What would be uploaded holds no place of this machine.
    uploaded = [p for p in run.path.glob("wandb/offline-run-*/files/**/*") if p.is_file()]
    uploaded += [p for p in (run.path / "wandb" / "data").rglob("*") if p.is_file()]
    assert any(b"max_epochs" in path.read_bytes() for path in uploaded)  # config.yaml
    for path in uploaded:
        assert str(tmp_path).encode() not in path.read_bytes(), path

    # The pictures lie in the run's directory, not in the home folder.
    staged = [p for p in (run.path / "wandb" / "data").rglob("*") if p.is_file() and p.read_bytes()[:4] == b"\x89PNG"]
    assert len(staged) == 40
    assert not list(Path(os.environ["HOME"]).glob(".local/share/wandb/artifacts/staging/*"))
    assert "WANDB_DATA_DIR" not in os.environ


def test_a_sweeps_runs_share_its_tag_and_a_recipe_is_a_group(config, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "shared")
    job = typed.Typed((), "demo", "2026-11-23_18-05-13", "joblib")
    monkeypatch.setattr(typed, "job", lambda: job)
    home = os.environ["HOME"]
    path = tmp_path / "run"
    path.mkdir()
    overrides = (f"weights={home}/{'w' * 80}.pth", f"teacher=[{home}/one,{home}/two]", "name=run")
    loggers.finish_wandb(loggers.loggers_of(path, config(*overrides), "offline"), Untrained(), None, path, FINISHED)
    found = read(path)
    assert found["run"].run_id != "shared"
    assert found["run"].run_group == "demo"
    tags = set(found["run"].tags)
    assert {"sweep=2026-11-23_18-05-13", "launcher=joblib", "teacher=yes"} <= tags
    assert max(map(len, tags)) == 64  # W&B refuses longer ones
    assert found["config"]["teacher"] == ["one", "two"]
    assert home not in str(found["run"]) + json.dumps(found["config"])
    monkeypatch.setattr(typed, "job", typed.Typed)
    found = opened(config, tmp_path / "alone", "offline")
    loggers.finish_wandb(found, Untrained(), None, path, FINISHED)
    assert read(tmp_path / "alone")["run"].run_id == "shared"  # as W&B's own agent sets it


class Untrained:
    validation = None


FINISHED, FAILED = SimpleNamespace(status="finished"), SimpleNamespace(status="failed")


def opened(config, path: Path, mode: str) -> list:
    path.mkdir(parents=True)
    return loggers.loggers_of(path, config(f"name={path.name}"), mode)


def test_each_run_of_a_process_has_its_own_id_and_a_failed_one_says_so(config, tmp_path):
    import wandb

    for name, failed in (("first", True), ("second", False)):
        found = opened(config, tmp_path / name, "offline")
        assert len(found) == 2
        loggers.finish_wandb(found, Untrained(), None, tmp_path, FAILED if failed else FINISHED)
        assert wandb.run is None
    first, second = read(tmp_path / "first"), read(tmp_path / "second")
    assert first["run"].run_id != second["run"].run_id
    assert (first["exit"], second["exit"]) == (1, 0)
    assert (first["run"].display_name, second["run"].display_name) == ("first", "second")


def test_online_a_run_uses_its_data_and_makes_its_model(config):

    class Online:
        offline = False

        def __init__(self):
            self.used, self.made = [], []

        def use_artifact(self, artifact):
            self.used.append(artifact)

        def log_artifact(self, artifact):
            self.made.append(artifact)

    run = training.train(config("wandb=off", "trainer.max_epochs=1"))
    data = compose.compose(run.config, made_faces(), cuda=False).data
    experiment = Online()
    loggers._log_lineage(experiment, data, run.path, RunFacts(**run.info))
    ([dataset], [model]) = experiment.used, experiment.made
    assert (dataset.type, model.type) == ("dataset", "model")
    assert set(dataset.manifest.entries) == {"data.json"}
    assert set(model.manifest.entries) == {"config.yaml", "best.ckpt"}
    assert model.metadata["dataset"] == dataset.metadata["faces_sha256"]
    assert dataset.metadata["faces"]["val"] == dict(
        zip(EXPRESSIONS, made_faces().of_split("val").targets.sum(0).tolist(), strict=True)
    )


@pytest.mark.parametrize("key", [None, "too short"])
def test_online_without_a_good_key_goes_offline_at_once(config, tmp_path, monkeypatch, caplog, key):
    if key:
        monkeypatch.setenv("WANDB_API_KEY", key)
    start = time.monotonic()
    found = opened(config, tmp_path / "run", "online")
    assert time.monotonic() - start < 10
    assert len(found) == 2
    assert "W&B online does not work" in caplog.text
    assert key is None or f"'{key}'" not in caplog.text
    found[1].log_metrics({"val/accuracy": 0.5}, step=1)
    loggers.finish_wandb(found, Untrained(), None, tmp_path, FINISHED)
    assert read(tmp_path / "run")["curves"]["val/accuracy"] == [0.5]


@pytest.mark.slow
def test_online_without_a_network_goes_offline_within_15_seconds_and_trains(config, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", "https://127.0.0.1:9")  # nothing listens there
    start = time.monotonic()
    run = training.train(config("wandb=online", "trainer.max_epochs=1"))
    print(f"{time.monotonic() - start:.1f} s")
    assert "W&B online does not work" in caplog.text
    assert run.info["seconds"] < 60
    lost = time.monotonic() - start - training.train(config("wandb=off", "trainer.max_epochs=1")).info["seconds"]
    assert lost < 15
    assert read(run.path)["exit"] == 0
    assert_csv_is_complete(run.path, 1)


def test_without_the_package_training_goes_on(config, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "wandb", None)
        run = training.train(config("wandb=offline", "trainer.max_epochs=1"))
    assert "wandb is not installed" in caplog.text
    assert run.info["status"] == "finished"
    assert_csv_is_complete(run.path, 1)


def test_a_folder_that_wandb_cannot_write_does_not_stop_training(config, monkeypatch, caplog):
    created = directory.create

    def with_a_file_in_the_way(outputs, name):
        path = created(outputs, name)
        (path / "wandb").write_text("")  # root could write to a read-only folder, but not into a file
        return path

    monkeypatch.setattr(directory, "create", with_a_file_in_the_way)
    run = training.train(config("wandb=offline", "trainer.max_epochs=1"))
    assert "only files are written" in caplog.text
    assert run.info["status"] == "finished"
    assert_csv_is_complete(run.path, 1)


def test_run_json_is_written_before_wandb_takes_the_last_room(config, monkeypatch):
    def full(found, classifier, data, run, facts):
        assert directory.load(run).info["status"] == "finished"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ferlab.training.fit.finish_wandb", full)
    with pytest.raises(OSError, match="No space"):
        training.train(config("trainer.max_epochs=1"))


def test_a_failed_run_keeps_its_curves_and_closes_the_loggers(config, monkeypatch, tmp_path):
    closed = []
    monkeypatch.setattr(
        "ferlab.training.fit.finish_wandb", lambda found, classifier, data, run, facts: closed.append(facts.status)
    )
    monkeypatch.setattr(
        ExpressionClassifier, "on_train_epoch_start", lambda self: 1 / (1 - self.current_epoch), raising=False
    )
    with pytest.raises(ZeroDivisionError):
        training.train(config())
    assert closed == ["failed"]
    run = tmp_path / "outputs" / "five_layer-drawn-none-s0"
    assert len(curves(run)["val/accuracy"]) == 1
    assert directory.load(run).info["status"] == "failed"


def test_each_start_of_a_run_has_its_own_csv(config, tmp_path):
    for n in range(3):
        [found] = loggers.loggers_of(tmp_path, config(), "off")
        found.log_metrics({"lr": float(n)}, step=n)
        found.save()
    assert [curves(tmp_path)["lr"]] == [[0.0, 1.0, 2.0]]
    assert sorted(p.name for p in (tmp_path / "log").iterdir()) == ["0", "1", "2"]


def test_curves_reach_tensorboard_too(config):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = training.train(config("loggers=tensorboard", "trainer.max_epochs=2"))
    assert not (run.path / "wandb").exists()
    assert_csv_is_complete(run.path, 2)
    events = EventAccumulator(str(run.path / "tensorboard" / "0")).Reload()
    for name in ("val/accuracy", "train/loss", "lr"):
        found = [event.value for event in events.Scalars(name)]
        assert found == pytest.approx(curves(run.path)[name], rel=1e-6), name
    assert "max_epochs: 2" in (run.path / "tensorboard" / "0" / "hparams.yaml").read_text()


@pytest.mark.slow  # MLflow makes a database
def test_curves_of_all_runs_reach_one_database_of_mlflow(config):
    pytest.importorskip("mlflow")
    runs = [training.train(config("loggers=[csv,mlflow]", "trainer.max_epochs=2", f"seed={n}")) for n in range(2)]
    with contextlib.closing(sqlite3.connect(runs[0].path.parent / "mlflow.db")) as database:
        found = dict(database.execute("select name, run_uuid from runs").fetchall())
        assert set(found) == {run.path.name for run in runs}
        for run in runs:
            values = "select value from metrics where run_uuid = ? and key = 'val/accuracy' order by step"
            rows = database.execute(values, [found[run.path.name]]).fetchall()
            assert [value for (value,) in rows] == pytest.approx(curves(run.path)["val/accuracy"], rel=1e-6)
            stated = "select value from params where run_uuid = ? and key = 'trainer/max_epochs'"
            assert database.execute(stated, [found[run.path.name]]).fetchall() == [("2",)]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("loggers=[csv,tensorbord]", "loggers has 'tensorbord'; did you mean tensorboard?"),
        ("loggers=[comet]", "loggers has 'comet'; choose from csv, wandb, tensorboard, mlflow"),
        (
            "loggers=[mlflow]",
            r"mlflow is not installed; type pip install 'ferlab\[loggers\]', or leave it out of loggers",
        ),
    ],
)
def test_a_logger_that_is_not_there_is_refused_before_anything_is_made(config, tmp_path, monkeypatch, word, message):
    monkeypatch.setattr(loggers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FerlabError, match=message):
        training.train(config(word))
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("words", "mode"), [((), "offline"), (("loggers=[csv]",), "off"), (("loggers=wandb",), "offline")]
)
def test_wandb_is_a_default_that_loggers_may_leave_out(config, words, mode):
    assert loggers.wandb_of(config("wandb=offline", *words)) == mode
    assert loggers.wandb_of(config("wandb=off", *words)) == "off"
