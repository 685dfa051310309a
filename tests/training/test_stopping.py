"""A training that a signal ends between two steps, whenever it comes, and what is left of it."""

import signal
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from ferlab.runs import checkpoints, directory
from ferlab.training import fit as training
from ferlab.training.stopping import Stopping
from tests.training.test_fit import weights_of, with_callback


class Signal(pl.Callback):
    """Sends a signal to this process in a hook, once so many steps are done."""

    def __init__(self, number: int, hook: str, step: int, times: int = 1):
        self._number, self._step, self._times = number, step, times
        setattr(self, hook, self._send)

    def _send(self, trainer, pl_module, *args, **kwargs):
        if trainer.global_step == self._step:
            for _ in range(self._times):
                signal.raise_signal(self._number)


@pytest.fixture
def train(config, faces, monkeypatch):
    """Train by overrides; with a callback the training ends before its end, and its status is returned."""
    monkeypatch.setattr(training, "open_config", lambda *args, **kwargs: faces)

    def run(*overrides: str, callback: pl.Callback | None = None):
        if callback is None:
            return training.train(config(*overrides))
        with pytest.MonkeyPatch.context() as patch:
            with_callback(patch, callback)
            with pytest.raises(SystemExit) as stopped:
                training.train(config(*overrides))
        return stopped.value.code

    return run


def accuracies(run: directory.Run) -> list[tuple[str, ...]]:
    return [(row["epoch"], row["step"], row["val/accuracy"]) for row in run.metrics_rows() if "val/accuracy" in row]


@pytest.mark.parametrize(
    ("number", "hook", "step", "more"),
    [
        (signal.SIGTERM, "on_train_batch_end", 3, ()),
        (signal.SIGINT, "on_train_batch_end", 7, ()),
        (signal.SIGINT, "on_after_backward", 11, ()),
        (signal.SIGTERM, "on_validation_batch_end", 5, ()),
        (signal.SIGINT, "on_validation_batch_end", 15, ()),  # of the last epoch
        (signal.SIGTERM, "on_after_backward", 4, ("+trainer.accumulate_grad_batches=2",)),  # between two steps of 2
        (signal.SIGTERM, "on_train_batch_end", 7, ("+trainer.val_check_interval=0.5",)),
    ],
)
def test_continuing_after_a_signal_gives_the_uninterrupted_weights(train, caplog, number, hook, step, more):
    more = ("ema_decay=0.9", *more)
    whole = train("name=whole", *more)
    before = signal.getsignal(number)
    status = train("name=stopped", *more, callback=Signal(number, hook, step))
    assert status == 128 + number
    name = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C"}[number]
    stopped = whole.path.with_name("stopped")
    assert caplog.messages[-1] == f"stopped by {name}; run the same command with ckpt=last to continue {stopped}"
    assert signal.getsignal(number) is before
    info = directory.load(stopped).info
    assert (info["status"], info["error"]) == ("failed", f"stopped by {name}")
    continued = train("name=stopped", *more, "ckpt=last")
    assert weights_of(continued) == weights_of(whole)
    assert weights_of(continued, checkpoints.BEST, ["state_dict"]) == weights_of(
        whole, checkpoints.BEST, ["state_dict"]
    )
    assert accuracies(continued) == accuracies(whole)
    assert len(accuracies(whole)) == (6 if "+trainer.val_check_interval=0.5" in more else 3)
    assert continued.info["status"] == "finished"


def test_before_the_first_step_there_is_nothing_to_continue(train, caplog):
    assert train("name=early", callback=Signal(signal.SIGINT, "on_fit_start", 0)) == 130
    assert caplog.messages[-1] == "stopped by Ctrl-C; run the same command again: no step was done"


def test_ctrl_c_typed_twice_ends_at_once_and_the_last_epoch_is_kept(train, caplog):
    whole = train("name=whole")
    assert train("name=twice", callback=Signal(signal.SIGINT, "on_after_backward", 7, times=2)) == 130
    assert "ckpt=last continues from the last epoch that is saved" in caplog.messages[-1]
    assert weights_of(train("name=twice", "ckpt=last")) == weights_of(whole)


def test_a_signal_that_comes_while_the_ranks_talk_is_not_lost(tmp_path, monkeypatch):
    stopping, talks = Stopping(tmp_path), []

    def broadcast(number, src):
        talks.append(int(number))
        stopping._keep(signal.SIGTERM, None)

    monkeypatch.setattr(torch.distributed, "broadcast", broadcast)
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    trainer = SimpleNamespace(world_size=2, strategy=strategy, accumulate_grad_batches=2)
    stopping.on_train_start(trainer, None)
    for batch in range(2 * 16):  # two batches are a step of the optimiser
        stopping.on_train_batch_start(trainer, None, None, batch)
    assert talks == [0, signal.SIGTERM]
    with pytest.raises(SIGTERMException):
        stopping.on_train_batch_start(trainer, None, None, 32)


def test_several_ranks_hear_of_a_signal_in_the_last_steps_too(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.distributed, "broadcast", lambda number, src: None)
    stopping = Stopping(tmp_path)
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    trainer = SimpleNamespace(world_size=2, strategy=strategy, accumulate_grad_batches=1)
    stopping.on_train_start(trainer, None)
    stopping.on_train_batch_start(trainer, None, None, 0)
    stopping._keep(signal.SIGINT, None)
    stopping.on_train_batch_start(trainer, None, None, 1)
    with pytest.raises(SIGTERMException):
        stopping.on_train_end(trainer, None)
