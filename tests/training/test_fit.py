"""Training: what a run writes, that it is the same run whatever interrupts it, and what bad input gets."""

import hashlib
import math
import multiprocessing
import shutil
import threading
import time
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
        for key, tensor in sorted(checkpoint.get(part, {}).items()):  # best.ckpt holds the average alone
            digest.update(key.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


class Interrupt(pl.Callback):
    """At the end of training step `step`: keep a copy of the run directory as kill -9 would leave it, or raise."""

    def __init__(self, step: int, copy_to: Path | None = None, error: BaseException | None = None):
        self.step, self.copy_to, self.error = step, copy_to, error

    def on_train_batch_end(self, trainer, pl_module, *args):
        if trainer.global_step == self.step:
            if self.copy_to is not None and not self.copy_to.exists():
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


@pytest.mark.parametrize(
    ("override", "method"),
    [
        *((f"num_workers={n}", "fork") for n in (1, 2)),
        pytest.param("num_workers=2", "spawn", marks=pytest.mark.slow),  # as macOS and Windows start workers
        *((f"trainer.devices={one}", None) for one in ("auto", "'1'")),
    ],
)
def test_who_prepares_and_how_one_device_is_named_do_not_change_the_weights(config, override, method):
    expected = weights_of(training.train(config()))
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method(method or before, force=True)
    try:
        assert weights_of(training.train(config(override))) == expected
    finally:
        multiprocessing.set_start_method(before, force=True)


@pytest.mark.parametrize(
    ("step", "workers", "overrides"),
    [
        (6, 0, ()),
        (8, 2, ("mixup=0.2", "cutmix=0.2")),
        (10, 0, ("schedule=plateau", "plateau_patience=0", "optimizer=adamw", "momentum=0.9", "lr=0.01")),
        (7, 0, ("sam_rho=0.05",)),
        (12, 0, ("ema_decay=0", "lr=0.2")),  # after the best epoch
        (3, 2, ("trainer.limit_train_batches=3", "+trainer.accumulate_grad_batches=2")),  # 2 steps an epoch
        (8, 0, ("+trainer.val_check_interval=0.5", "trainer.check_val_every_n_epoch=2")),
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
    for name in (checkpoints.LAST, checkpoints.BEST):
        assert weights_of(resumed, name) == weights_of(whole, name)
    val = [r["val/accuracy"] for r in resumed.metrics_rows() if "val/accuracy" in r]
    assert val == [r["val/accuracy"] for r in whole.metrics_rows() if "val/accuracy" in r]
    reached = ("val_accuracy", "best_epoch", "epochs")
    assert [resumed.info[key] for key in reached] == [whole.info[key] for key in reached]


def test_a_run_that_stopped_early_stays_so_where_it_was_killed_at_its_end(config, monkeypatch, tmp_path):
    overrides = ("early_stopping=1", "ema_decay=0", "lr=0.5", "trainer.max_epochs=6", "trainer.precision=32-true")
    killed = tmp_path / "outputs" / "killed"

    class Killed(pl.Callback):
        def on_train_end(self, trainer, pl_module):
            shutil.copytree(trainer.default_root_dir, killed)

    with pytest.MonkeyPatch.context() as patch:
        with_callback(patch, Killed())
        whole = training.train(config("name=whole", *overrides))
    assert whole.info["epochs"] == whole.info["best_epoch"] + 2 < 6
    resumed = training.train(config("name=killed", "ckpt=last", *overrides))
    assert weights_of(resumed) == weights_of(whole)
    assert (resumed.info["epochs"], resumed.info["status"]) == (whole.info["epochs"], "finished")


def test_damaged_last_checkpoint_falls_back_to_the_one_before(config, tmp_path, caplog):
    whole = training.train(config("name=whole"))
    copy = tmp_path / "outputs" / "damaged"
    shutil.copytree(whole.path, copy)
    last = copy / directory.CHECKPOINTS / checkpoints.LAST
    last.write_bytes(last.read_bytes()[:2000])
    resumed = training.train(config("name=damaged", "ckpt=last"))
    assert "last.ckpt is no checkpoint that can be loaded" in caplog.text
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


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_val_logits_that_are_not_finite_stop_the_run_and_are_never_the_best(config, monkeypatch, tmp_path, value):
    forward = ExpressionClassifier.forward

    def poisoned(self, faces):
        logits = forward(self, faces)
        bad = not self.training and self.trainer.current_epoch == 1
        return logits.index_fill(0, torch.arange(3), value) if bad else logits

    monkeypatch.setattr(ExpressionClassifier, "forward", poisoned)
    with pytest.raises(FerlabError, match="logits of 3 of 40 val faces became NaN or infinite in epoch 1"):
        training.train(config("name=poisoned"))
    run = directory.load(tmp_path / "outputs" / "poisoned")
    assert run.info["status"] == "failed"
    assert "logits of 3 of 40 val faces" in run.info["error"]
    assert checkpoints.load(run.weights)["epoch"] == 0


@pytest.mark.parametrize("fails", [ValueError("wrong"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["loggers_of", "_fit", "finish_wandb"])
def test_whatever_ends_a_run_its_record_says_so(config, monkeypatch, tmp_path, where, fails):
    def fail(*args, **kwargs):
        raise fails

    monkeypatch.setattr(training, where, fail)
    with pytest.raises(type(fails)):
        training.train(config("name=one", "trainer.max_epochs=1"))
    info = directory.load(tmp_path / "outputs" / "one").info
    if where == "finish_wandb":
        assert info["status"] == "finished"
    else:
        assert (info["status"], info["error"]) == ("failed", f"{type(fails).__name__}: {fails}")


@pytest.mark.parametrize(
    ("overrides", "epochs"),
    [
        (("trainer.max_epochs=1", "trainer.check_val_every_n_epoch=2"), [0]),
        (("trainer.max_epochs=4", "trainer.check_val_every_n_epoch=3"), [2, 3]),
    ],
)
def test_the_last_epoch_is_validated_whatever_its_number(config, overrides, epochs):
    run = training.train(config(*overrides))
    assert [int(r["epoch"]) for r in run.metrics_rows() if "val/accuracy" in r] == epochs
    assert run.weights.is_file()
    assert math.isfinite(run.info["val_accuracy"])


def test_a_trial_keeps_nothing(config, tmp_path):
    assert training.train(config("trainer.fast_dev_run=true", "wandb=offline")) is None
    assert not list((tmp_path / "outputs").glob("*"))


def test_what_lightning_refuses_is_one_line_and_a_failed_run(config, tmp_path):
    with pytest.raises(FerlabError, match=r"trainer: You requested to check 0\.5 of the `val_dataloader`") as refused:
        training.train(config("name=none", "trainer.limit_val_batches=0.5"))
    info = directory.load(tmp_path / "outputs" / "none").info
    assert (info["status"], info["error"]) == ("failed", str(refused.value))


def test_a_run_that_ends_before_a_validation_has_failed(config, tmp_path):
    with pytest.raises(FerlabError, match="ended after 2 steps without a validation"):
        training.train(config("name=short", "+trainer.max_steps=2"))
    assert directory.load(tmp_path / "outputs" / "short").info["status"] == "failed"


def test_the_schedule_ends_with_the_training_under_accumulation(config):
    """Cosine's last step of 6 is (1 + cos(pi * 5/6)) / 2 of the rate, and after it the rate is 0."""
    run = training.train(config("+trainer.accumulate_grad_batches=3", "warmup_epochs=0", "lr=0.1"))
    state = checkpoints.load(run.path / directory.CHECKPOINTS / checkpoints.LAST)
    assert state["global_step"] == 6
    assert state["lr_schedulers"][0]["_last_lr"] == pytest.approx([0.0, 0.0], abs=1e-12)


def test_clipped_gradients_train_and_stay_within_their_norm(config, monkeypatch):
    norms = []

    def note(self, optimizer):
        norms.append(torch.nn.utils.get_total_norm([p.grad for p in self.net.parameters()]).item())

    monkeypatch.setattr(ExpressionClassifier, "on_before_optimizer_step", note)
    training.train(config("trainer.max_epochs=1"))
    assert max(norms) > 0.5
    free = norms[:]
    norms.clear()
    with pytest.MonkeyPatch.context() as patch:
        stepped = ExpressionClassifier.configure_gradient_clipping
        patch.setattr(
            ExpressionClassifier,
            "configure_gradient_clipping",
            lambda self, *args, **kwargs: (stepped(self, *args, **kwargs), norms.clear(), note(self, None)),
        )
        training.train(config("trainer.max_epochs=1", "trainer.gradient_clip_val=0.5"))
    assert len(free) == 5
    assert max(norms) <= 0.5 * (1 + 1e-5)


def test_overfitting_sees_the_same_faces_in_every_epoch(config, monkeypatch):
    seen = []

    def note(self, batch, batch_idx):
        seen.append(batch[0].clone())

    monkeypatch.setattr(ExpressionClassifier, "on_train_batch_start", note)
    monkeypatch.setattr(ExpressionClassifier, "on_train_batch_end", lambda *args: None)
    training.train(config("trainer.overfit_batches=2", "trainer.max_epochs=2"))
    assert len(seen) == 4
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[3])
    assert not torch.equal(seen[0], seen[1])


def test_longer_training_continues_a_finished_run(config):
    run = training.train(config("name=long"))
    more = training.train(config("name=long", "ckpt=last", "trainer.max_epochs=4", "num_workers=1"))
    assert more.path == run.path
    assert sum("val/accuracy" in r for r in more.metrics_rows()) == 4
    changed = {"trainer.max_epochs": [3, 4], "num_workers": [0, 1]}
    assert more.info["continued"] == [{"epoch": 3, "step": 15, "changed": changed}]
    assert more.config["trainer"]["max_epochs"] == 4
    assert more.info["seconds"] > run.info["seconds"]
    with pytest.raises(FerlabError, match=r"has 4 epochs already; type trainer\.max_epochs=4 or more"):
        training.train(config("name=long", "ckpt=last"))


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
        (("trainer.max_epochs=0",), "max_epochs is 0; expected a number of at least 1"),
        (("trainer.max_epochs=-1",), "max_epochs is -1; expected"),
        (("trainer.limit_val_batches=0",), "limit_val_batches is 0; expected"),
        (("trainer.limit_train_batches=0.0",), r"limit_train_batches is 0\.0; expected"),
        (("sam_rho=0.05", "+trainer.accumulate_grad_batches=2"), "leave out one of the two"),
        (("trainer.fast_dev_run=true", "ckpt=last"), "leave out ckpt"),
    ],
)
def test_a_wrong_value_names_the_right_ones_before_anything_is_written(config, tmp_path, overrides, message):
    if "gpu" in overrides[0] and torch.cuda.is_available():
        pytest.skip("a GPU is there")
    with pytest.raises(FerlabError, match=message):
        training.train(config(*overrides))
    assert not list((tmp_path / "outputs").glob("*"))


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


def test_a_clock_that_is_set_back_gives_no_negative_seconds(config, monkeypatch):
    clock = iter(range(10**9, 0, -1000))
    monkeypatch.setattr(time, "time", lambda: next(clock))
    assert 0 < training.train(config("trainer.max_epochs=1")).info["seconds"] < 240
