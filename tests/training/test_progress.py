"""What a training shows: a line an epoch in a file, a bar with val/accuracy on a terminal."""

import logging
import re
from types import SimpleNamespace

import pytest
import torch

from ferlab.training import fit as training
from ferlab.training import progress

LINE = (
    r"epoch (\d) of 3: train loss ([\d.]+)(?:, val loss ([\d.]+), val accuracy ([\d.]+) %, best ([\d.]+) %)?, "
    r"([\d,]+) faces/s, (\d+) s left"
)


@pytest.mark.parametrize("every", [1, 2])
def test_a_file_gets_a_line_an_epoch_with_what_the_log_holds(config, faces, monkeypatch, caplog, every):
    caplog.set_level(logging.INFO, "ferlab")
    monkeypatch.setattr(training, "open_config", lambda *a, **k: faces)
    run = training.train(config("trainer.enable_progress_bar=true", f"trainer.check_val_every_n_epoch={every}"))
    lines = [re.fullmatch(LINE, line) for line in caplog.messages if line.startswith("epoch ")]
    rows = run.metrics_rows()
    train = {int(row["epoch"]): float(row["train/loss"]) for row in rows if "train/loss" in row}
    val = {int(row["epoch"]): (float(row["val/loss"]), float(row["val/accuracy"])) for row in rows if "val/loss" in row}
    assert [int(line[1]) for line in lines] == [1, 2, 3]
    best = 0.0
    for epoch, line in enumerate(lines):
        assert float(line[2]) == pytest.approx(train[epoch], abs=1e-4)
        assert (line[3] is not None) == (epoch in val)
        if epoch in val:
            loss, accuracy = val[epoch]
            best = max(best, accuracy)
            found = [float(line[n]) for n in (3, 4, 5)]
            assert found == pytest.approx([loss, 100 * accuracy, 100 * best], abs=5e-3)
    assert lines[-1][7] == "0"


def test_a_bar_needs_a_terminal_and_shows_the_last_validation(monkeypatch):
    assert isinstance(progress.of(True), progress.Lines)  # in a test there is none
    monkeypatch.setattr(progress, "Console", lambda: SimpleNamespace(is_terminal=True))
    assert isinstance(progress.of(False), progress.Lines)
    bar = progress.of(True)
    assert isinstance(bar, progress.Bar)
    metrics = {"val/accuracy": torch.tensor(0.5), "val/loss": torch.tensor(1.25), "v_num": "x"}
    trainer = SimpleNamespace(callback_metrics=metrics, max_epochs=2, state=SimpleNamespace(fn="fit"))
    bar._trainer = trainer
    assert bar.get_metrics(trainer, None) == {}
    bar.on_validation_end(trainer, None)
    assert bar.get_metrics(trainer, None) == {"val/accuracy": "0.5000"}
    assert [bar._get_train_description(epoch) for epoch in (0, 1)] == ["Epoch 1 of 2", "Epoch 2 of 2"]


def estimated(monkeypatch, caplog, seconds_per_batch, batches=100, epochs=10, device="cpu"):
    """What a training that has such batches says of its length; the clock is made."""
    caplog.set_level(logging.INFO, "ferlab")
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    trainer = SimpleNamespace(is_global_zero=True, max_epochs=epochs, current_epoch=0, num_training_batches=batches)
    module, estimate = SimpleNamespace(device=torch.device(device)), progress.Estimate()
    for n in range(batches):
        now[0] += 5 if n == 0 else seconds_per_batch  # the first is slower
        estimate.on_train_batch_end(trainer, module, None, None, n)
    return caplog.messages


@pytest.mark.parametrize(
    ("seconds", "said"), [(3.0, "50 min"), (120.0, "33 h 20 min"), (1.81, "30 min"), (1.79, None), (0.01, None)]
)
def test_a_long_training_on_a_cpu_is_announced_once_after_some_batches(monkeypatch, caplog, seconds, said):
    lines = estimated(monkeypatch, caplog, seconds)
    assert [line.partition(",")[0] for line in lines] == ([f"about {said} for 10 epochs on this CPU"] if said else [])


def test_a_gpu_announces_nothing(monkeypatch, caplog):
    assert estimated(monkeypatch, caplog, 3.0, device="meta") == []
