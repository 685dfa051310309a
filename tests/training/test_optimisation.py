"""Learning rates of each step against their formulas, and which parameters decay."""

import math

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.training.freeze import Learning
from tests.training.conftest import classifier, optimisation


def rates(epochs: int, **changes) -> list[float]:
    """Learning rate of each step, of a schedule that is stepped after each."""
    made = optimisation(**changes)
    optimizer = made.optimizer_of(nn.Linear(3, K), Learning())
    schedule = made.schedule_of(optimizer, epochs)
    found = []
    for _ in range(epochs * made.steps_per_epoch):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return [*found, optimizer.param_groups[0]["lr"]]


def test_cosine_with_warm_up():
    found = rates(10, schedule="cosine", warmup_epochs=2, steps_per_epoch=5, lr=0.4)
    warmup = [0.4 * (t + 1) / 11 for t in range(10)]
    cosine = [0.2 * (1 + math.cos(math.pi * t / 40)) for t in range(41)]
    assert found == pytest.approx(warmup + cosine)
    assert found[10] == pytest.approx(0.4)  # the peak is lr itself
    assert found[30] == pytest.approx(0.2)
    assert found[-1] == pytest.approx(0)


def test_constant_with_and_without_warm_up():
    assert rates(3, schedule="constant", steps_per_epoch=2, warmup_epochs=1) == pytest.approx(
        [0.1 / 3, 0.2 / 3, 0.1, 0.1, 0.1, 0.1, 0.1]
    )
    assert rates(1) == pytest.approx([0.1] * 6)


def test_warm_up_longer_than_the_run():
    assert rates(1, schedule="cosine", steps_per_epoch=2, warmup_epochs=5) == pytest.approx(
        [0.1 / 11, 0.2 / 11, 0.3 / 11]
    )


@pytest.mark.parametrize(("optimizer", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_weight_decay_spares_biases_and_norms(optimizer, kind):
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, K))
    found = optimisation(optimizer=optimizer, momentum=0.8).optimizer_of(net, Learning(frozenset({"0.bias"})))
    assert type(found) is kind
    decayed, spared = found.param_groups
    assert {id(p) for p in decayed["params"]} == {id(net[0].weight), id(net[3].weight)}
    assert {id(p) for p in spared["params"]} == {id(net[1].weight), id(net[1].bias), id(net[3].bias)}
    assert (decayed["weight_decay"], spared["weight_decay"]) == (1e-2, 0)
    assert decayed["lr"] == spared["lr"]
    assert (decayed["momentum"] if optimizer == "sgd" else decayed["betas"][0]) == 0.8


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("patience", "expected"), [(0, [1, 0.5, 0.25, 0.125, 0.0625]), (1, [1, 1, 0.5, 0.5, 0.25])])
def test_plateau_halves_the_rate_when_accuracy_stands_still(patience, expected):
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, K))
    module = classifier(net, schedule="plateau", lr=1e-5, plateau_patience=patience)
    found = []

    class Rates(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            found.append(trainer.optimizers[0].param_groups[0]["lr"] / 1e-5)

    batches = torch.utils.data.DataLoader(
        [(torch.randn(8, 1, 2, 2), torch.eye(K)[torch.arange(8) % K])], batch_size=None
    )
    trainer = pl.Trainer(
        max_epochs=5,
        logger=False,
        enable_checkpointing=False,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[Rates()],
    )
    trainer.fit(module, batches, batches)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sam_rho": -0.1}, r"sam_rho is -0.1; expected a radius above 0"),
        ({"optimizer": "lion"}, "optimizer is 'lion'; choose sgd, adamw"),
        ({"schedule": "step"}, "schedule is 'step'; choose cosine, plateau, constant"),
    ],
)
def test_a_value_that_is_none_is_refused(changes, message):
    with pytest.raises(FerlabError, match=message):
        optimisation(**changes)
