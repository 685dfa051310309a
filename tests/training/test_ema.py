"""The average of the weights against numpy's."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from ferlab.runs import checkpoints, directory
from ferlab.training import fit as training
from ferlab.training import trainer


@pytest.fixture
def small_data(monkeypatch, faces):
    monkeypatch.setattr(training, "open_config", lambda *a, **k: faces)


class Record(pl.Callback):
    """The module's weights at the start and after each step."""

    def __init__(self):
        self.states: list[dict[str, torch.Tensor]] = []

    def on_train_start(self, trainer, pl_module):
        self.keep(pl_module)

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.keep(pl_module)

    def keep(self, module):
        self.states.append({k: v.clone() for k, v in module.state_dict().items()})


def test_the_weight_average_is_numpys(config, monkeypatch, small_data):
    decay = 0.5  # the warm-up ends at step 8 of the 10
    record, callbacks = Record(), trainer.callbacks_of
    monkeypatch.setattr(trainer, "callbacks_of", lambda c: [*callbacks(c), record])
    run = training.train(config(f"ema_decay={decay}", "trainer.max_epochs=2", "trainer.precision=32-true"))
    assert len(record.states) == 1 + 2 * 5
    average = {k: v.numpy().astype(np.float64) for k, v in record.states[0].items()}
    for t, state in enumerate(record.states[1:], start=1):
        d = min(decay, (1 + t) / (10 + t))
        for name, value in state.items():
            value = value.numpy()
            counter = value.dtype.kind == "i"
            average[name] = value if counter else d * average[name] + (1 - d) * value
    last = checkpoints.load(run.path / directory.CHECKPOINTS / checkpoints.LAST)
    assert len(average) == len(last["state_dict"])
    for name, value in average.items():
        np.testing.assert_allclose(last["state_dict"][name].numpy(), value, rtol=1e-4, atol=1e-6, err_msg=name)
        # Training itself goes on from the weights, not from their average.
        live = last["current_model_state"][name].numpy()
        np.testing.assert_array_equal(live, record.states[-1][name].numpy())


def test_without_average_the_weights_themselves_are_saved(config, small_data, monkeypatch):
    record, callbacks = Record(), trainer.callbacks_of
    monkeypatch.setattr(trainer, "callbacks_of", lambda c: [*callbacks(c), record])
    run = training.train(config("ema_decay=0", "trainer.max_epochs=1"))
    for name in (checkpoints.LAST, checkpoints.BEST):
        state = checkpoints.load(run.path / directory.CHECKPOINTS / name)["state_dict"]
        for key, value in record.states[-1].items():
            torch.testing.assert_close(state[key], value, rtol=0, atol=0)
