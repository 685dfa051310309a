"""Training: what a run writes, that it is the same run whatever interrupts it, and what bad input gets."""

import hashlib
import math
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import yaml

from ferlab.data.faces import Faces
from ferlab.errors import FerlabError
from ferlab.predictors.of_run import predictor_of
from ferlab.runs import checkpoints, directory
from ferlab.training import fit as training
from ferlab.training import trainer
from ferlab.training.classifier import ExpressionClassifier
from tests.conftest import made_faces


@pytest.fixture(autouse=True)
def _small_data(monkeypatch, faces):
    monkeypatch.setattr(training, "open_config", lambda *a, **k: faces)


def weights_of(
    run: directory.Run, name: str = checkpoints.LAST, parts: Sequence[str] = ("state_dict", "current_model_state")
) -> str:
    """sha256 over both the weights and their average in a run's last checkpoint."""
    checkpoint = checkpoints.load(run.path / directory.CHECKPOINTS / name)
    digest = hashlib.sha256()
    for part in parts:
        for key, tensor in sorted(checkpoint[part].items()):
            digest.update(key.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


class Interrupt(pl.Callback):
    """At the end of training step `step`: keep a copy of the run directory as kill -9 would leave it, or raise."""

    def __init__(self, step: int, copy_to: Path | None = None, error: BaseException | None = None):
        self.step, self.copy_to, self.error = step, copy_to, error

    def on_train_batch_end(self, trainer, pl_module, *args):
        if trainer.global_step == self.step:
            if self.copy_to is not None:
                shutil.copytree(trainer.default_root_dir, self.copy_to)
            if self.error is not None:
                raise self.error


def with_callback(monkeypatch, callback: pl.Callback) -> None:
    original = trainer.callbacks_of
    monkeypatch.setattr(trainer, "callbacks_of", lambda config: [*original(config), callback])


def test_run_directory_holds_config_weights_metrics(config, tmp_path):
    run = training.train(config())
    assert run.path == tmp_path / "outputs" / "five_layer-drawn-none-s0"
    assert run.info["status"] == "finished"
    rows = run.metrics_rows()
    val = [float(r["val/accuracy"]) for r in rows if "val/accuracy" in r]
    assert len(val) == 3
    assert run.info["val_accuracy"] == pytest.approx(max(val))
    assert {"train/loss", "train/accuracy", "lr"} <= {k for r in rows for k in r}
    assert yaml.safe_load((run.path / directory.CONFIG).read_text())["model"]["name"] == "five_layer"


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_saved_model_is_the_one_that_was_measured(config, faces, precision):
    """The loss differs between the weights and their average, and between precisions, where the accuracy may not."""
    run = directory.load(training.train(config("ema_decay=0.9", f"trainer.precision={precision}")).path)
    val = faces.of_split("val")
    with torch.inference_mode():
        probabilities = predictor_of(run)(torch.from_numpy(val.pixels).unsqueeze(1)).numpy()
    rows = [r for r in run.metrics_rows() if "val/accuracy" in r]
    best = max(rows, key=lambda r: float(r["val/accuracy"]))  # the first of equals, as the checkpoint
    assert (probabilities.argmax(1) == val.labels).mean() == pytest.approx(float(best["val/accuracy"]))
    assert run.info["val_accuracy"] == pytest.approx(float(best["val/accuracy"]))
    assert run.info["best_epoch"] == int(best["epoch"])
    assert -np.log(probabilities[np.arange(len(val)), val.labels]).mean() == pytest.approx(float(best["val/loss"]))


def test_a_small_net_learns(config):
    assert training.train(config("trainer.max_epochs=6", "ema_decay=0.9")).info["val_accuracy"] > 0.5  # chance is 1/7


def test_same_seed_gives_the_same_weights_and_another_seed_others(config):
    first, second = training.train(config()), training.train(config())
    assert first.path != second.path
    assert weights_of(first) == weights_of(second)
    assert weights_of(training.train(config("seed=1"))) != weights_of(first)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_do_not_change_the_weights(config, workers):
    assert weights_of(training.train(config(f"num_workers={workers}"))) == weights_of(training.train(config()))


@pytest.mark.parametrize(
    ("step", "workers", "overrides"),
    [
        (6, 0, ()),
        (8, 2, ("mixup=0.2", "cutmix=0.2")),
        (10, 0, ("schedule=plateau", "plateau_patience=0", "optimizer=adamw", "momentum=0.9", "lr=0.01")),
        (7, 0, ("sam_rho=0.05",)),
    ],
)
def test_continuing_after_kill_9_gives_the_uninterrupted_weights(
    config, monkeypatch, tmp_path, step, workers, overrides
):
    whole = training.train(config("name=whole", *overrides))
    killed = tmp_path / "outputs" / "killed"
    with pytest.MonkeyPatch.context() as patch:
        with_callback(patch, Interrupt(step, copy_to=killed))
        training.train(config("name=other", *overrides))
    resumed = training.train(config("name=killed", "ckpt=last", f"num_workers={workers}", *overrides))
    assert resumed.path == killed
    assert weights_of(resumed) == weights_of(whole)
    val = [r["val/accuracy"] for r in resumed.metrics_rows() if "val/accuracy" in r]
    assert val == [r["val/accuracy"] for r in whole.metrics_rows() if "val/accuracy" in r]


def test_damaged_last_checkpoint_falls_back_to_the_one_before(config, tmp_path, caplog):
    whole = training.train(config("name=whole"))
    copy = tmp_path / "outputs" / "damaged"
    shutil.copytree(whole.path, copy)
    last = copy / directory.CHECKPOINTS / checkpoints.LAST
    last.write_bytes(last.read_bytes()[:2000])
    resumed = training.train(config("name=damaged", "ckpt=last"))
    assert "sha256" in caplog.text
    assert checkpoints.BEFORE in caplog.text
    assert weights_of(resumed) == weights_of(whole)


def test_nan_loss_stops_the_run_and_keeps_the_last_good_weights(config, monkeypatch, tmp_path):
    plain_loss = ExpressionClassifier.loss

    def poisoned(self, faces, targets):
        loss, sums = plain_loss(self, faces, targets)
        bad = math.nan if self.trainer.current_epoch == 1 else 1.0
        return loss * bad, sums * bad

    monkeypatch.setattr(ExpressionClassifier, "loss", poisoned)
    with pytest.raises(FerlabError, match="loss became nan in epoch 1"):
        training.train(config("name=poisoned"))
    run = directory.load(tmp_path / "outputs" / "poisoned")
    assert run.info["status"] == "failed"
    for name in (checkpoints.BEST, checkpoints.LAST):
        state = checkpoints.load(run.path / directory.CHECKPOINTS / name)["state_dict"]
        assert all(torch.isfinite(t).all() for t in state.values())


def test_longer_training_continues_a_finished_run(config):
    run = training.train(config("name=long"))
    more = training.train(config("name=long", "ckpt=last", "trainer.max_epochs=4"))
    assert more.path == run.path
    assert sum("val/accuracy" in r for r in more.metrics_rows()) == 4


def test_the_last_epoch_is_saved_whatever_save_every(config):
    whole = training.train(config("name=whole"))
    assert weights_of(training.train(config("name=rare", "save_every=2"))) == weights_of(whole)


def test_out_of_memory_names_a_smaller_batch(config, monkeypatch):
    def full(self, faces, targets):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(ExpressionClassifier, "loss", full)
    with pytest.raises(FerlabError, match="batch_size=32; try batch_size=16"):
        training.train(config())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("class_weights=balance",), "choose none, balanced, effective"),
        (("optimizer=lion",), "choose sgd, adamw"),
        (("schedule=step",), "choose cosine, plateau, constant"),
        (("dedup=val",), "choose none, train"),
        (("wandb=maybe",), "choose online, offline, off"),
        (("ckpt=best",), "choose last"),
        (("ckpt=last", "name=absent"), "leave out ckpt=last"),
        (("name='a=b'",), "letters, digits"),
        (("trainer.accelerator=gpu",), "trainer.accelerator=cpu"),
    ],
)
def test_a_wrong_value_names_the_right_ones_before_anything_is_written(config, tmp_path, overrides, message):
    if "gpu" in overrides[0] and torch.cuda.is_available():
        pytest.skip("a GPU is there")
    with pytest.raises(FerlabError, match=message):
        training.train(config(*overrides))
    assert not list((tmp_path / "outputs").glob("*"))


@pytest.mark.parametrize(
    ("override", "message"),
    [("model=baseline", "another net"), ("seed=1", "seed=0"), ("batch_size=16", "batch_size=32")],
)
def test_continuing_as_another_run_is_refused(config, override, message):
    training.train(config("name=one", "trainer.max_epochs=1"))
    widthless = [] if "model" not in override else ["~model.net.width"]
    with pytest.raises(FerlabError, match=message):
        training.train(config("name=one", "ckpt=last", override, *widthless))


def test_missing_class(config, monkeypatch):
    faces = made_faces()
    some = faces.take(faces.labels != 1)
    monkeypatch.setattr(training, "open_config", lambda *a, **k: some)
    with pytest.raises(FerlabError, match="class_weights=balanced needs every class"):
        training.train(config("class_weights=balanced"))
    assert training.train(config("trainer.max_epochs=1")).info["class_counts"]["disgust"] == 0


@pytest.mark.parametrize("n_train", [1, 2, 33])
def test_batches_of_small_sets(config, monkeypatch, n_train):
    monkeypatch.setattr(training, "open_config", lambda *a, **k: made_faces(n_train))
    if n_train == 1:
        with pytest.raises(FerlabError, match="at least 2 training faces"):
            training.train(config())
    else:  # 33 faces in batches of 32 would leave a batch of 1, on which batch norm fails
        assert training.train(config("trainer.max_epochs=1")).info["status"] == "finished"


def test_two_runs_started_together_get_two_directories(tmp_path):
    made: list[Path] = []
    threads = [threading.Thread(target=lambda: made.append(directory.create(tmp_path, "run"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({path.name for path in made}) == 8


def test_training_never_sees_a_test_face(config, monkeypatch):
    faces = made_faces()
    poisoned = np.where((faces.split == 2)[:, None, None], 255, faces.pixels).astype(np.uint8)
    other = Faces(poisoned, faces.targets, faces.split, faces.subject, faces.row)
    first = training.train(config())
    monkeypatch.setattr(training, "open_config", lambda *a, **k: other)
    assert weights_of(training.train(config())) == weights_of(first)
