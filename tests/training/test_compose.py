"""A config's values arrive in the data module and in the classifier."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ferlab.errors import FerlabError
from ferlab.training import compose


def test_the_optimisation_and_the_targets_are_the_configs(config, faces):
    asked = config("lr=0.3", "schedule=constant", "warmup_epochs=0.5", "sam_rho=0.1", "label_smoothing=0.2", "seed=4")
    made = compose.compose(asked, faces, cuda=False)
    found = made.classifier.optimisation
    assert (found.lr, found.schedule, found.warmup_epochs, found.sam_rho) == (0.3, "constant", 0.5, 0.1)
    assert found.steps_per_epoch == made.data.batches == 5  # 160 faces in batches of 32
    assert made.classifier.targets.label_smoothing == 0.2
    assert (made.classifier.seed, made.data.seed) == (4, 4)
    assert made.teacher is made.classifier.targets.teacher is made.classifier.targets.mix is None
    assert not made.classifier.compile_step  # auto is for GPUs


@pytest.mark.parametrize(("limit", "steps"), [(1.0, 5), (3, 3), (9, 5), (0.5, 2), (0.01, 1)])
def test_an_epoch_has_as_many_steps_as_lightning_makes(config, faces, limit, steps):
    made = compose.compose(config(f"trainer.limit_train_batches={limit}"), faces, cuda=False)
    assert made.classifier.optimisation.steps_per_epoch == steps


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        (("+trainer.accumulate_grad_batches=2",), 3),  # of 5 batches
        (("+trainer.accumulate_grad_batches=2", "trainer.limit_train_batches=2"), 1),
        (("+trainer.accumulate_grad_batches=9",), 1),
        (("trainer.overfit_batches=2",), 2),
        (("trainer.overfit_batches=0.4",), 2),
    ],
)
def test_the_schedule_counts_steps_of_the_optimiser(config, faces, words, steps):
    assert compose.compose(config(*words), faces, cuda=False).classifier.optimisation.steps_per_epoch == steps


def test_the_seed_alone_decides_the_first_weights(config, faces):
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(compose.compose(config(), faces, cuda=False).classifier.net.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(states[0].values(), states[1].values(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(states[0].values(), states[2].values(), strict=True))


def test_faces_without_labels_need_a_teacher(config, faces):
    targets = faces.targets.copy()
    targets[:7] = 0
    unlabelled = replace(faces, targets=targets)
    with pytest.raises(FerlabError, match=r"7 training faces have no label.*teacher=RUNS"):
        compose.compose(config(), unlabelled, cuda=False)
    assert np.array_equal(unlabelled.targets, targets)
