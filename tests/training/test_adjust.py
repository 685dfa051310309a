"""Logit adjustment: the loss of each source has that source's class shares, and what is learned has none of them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.training import adjust, compose, fit
from ferlab.training.teacher import ConsistentTeacher, KeptTeacher, Teacher
from tests.data.test_batches import HostBatches, module_of, on_device

FER2013 = (3995, 436, 4097, 7215, 4830, 3171, 4965)
COUNTS = np.array([FER2013, (14, 132, 0, 4073, 90, 52, 4431)], float)


def of_two_sources(faces):
    """Made faces whose every third is of a second source, which has no fear."""
    source = (np.arange(len(faces)) % 3 == 0).astype(np.uint8)
    both = replace(faces, source=source)
    return both.take((source == 0) | (faces.labels != 2))


def minimum(shift, targets):
    """Logits [R,7] where the cross-entropy of (logits + shift) to targets [R,7] is least, by another optimiser."""
    logits = torch.zeros(targets.shape, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [logits], max_iter=2000, tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure():
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits + torch.tensor(shift).double(), torch.tensor(targets))
        loss.backward()
        return loss

    optimiser.step(closure)
    return logits.detach()


@pytest.mark.parametrize("tau", [0.5, 1.0])
def test_the_shift_of_one_source_is_menons_formula(tau):
    shares = adjust.source_shares(COUNTS[:1], tau)
    np.testing.assert_allclose(
        adjust.logit_shifts(tau, shares)[0], [tau * np.log(n / sum(FER2013)) for n in FER2013], rtol=1e-6
    )
    with pytest.raises(FerlabError, match=r"logit_adjustment=0\.5 needs every class in training; none of fear"):
        adjust.source_shares(COUNTS[1:], 0.5)


@pytest.mark.parametrize("tau", [0.25, 1.0])
def test_a_net_that_knows_the_source_alone_answers_the_same_for_each(tau):
    """Its mean target is the source's shares; what minimises the loss are the shares that are stated."""
    shares = adjust.source_shares(COUNTS, tau)
    assert shares[1, 2] == pytest.approx(0.5 / (COUNTS[1].sum() + 0.5))  # half a face for fear
    found = minimum(adjust.logit_shifts(tau, shares), shares).softmax(1)
    stated = shares[0] ** (1 - tau) / (shares[0] ** (1 - tau)).sum()
    np.testing.assert_allclose(found, [stated, stated], atol=1e-4)


def test_a_student_learns_its_teachers_answers_for_even_shares(faces):
    """Whatever the shares of the source that a face came from."""
    data = module_of(of_two_sources(faces))
    learned = np.linspace(1, 4, K) / np.linspace(1, 4, K).sum()
    teacher = Teacher({}, SimpleNamespace(members=[SimpleNamespace(config={}, info={"priors": learned.tolist()})],
                                          weights=None), None, None)  # fmt: skip
    even = np.random.default_rng(0).dirichlet(np.ones(K), len(data.train))
    own = even * learned / (even * learned).sum(1, keepdims=True)
    weighed = adjust.for_sources(own, data, teacher).astype(float)
    shift = adjust.logit_shifts(1.0, adjust.source_shares(data.source_counts, 1))[data.train.source]
    np.testing.assert_allclose(minimum(shift, weighed).softmax(1), even, atol=1e-3)
    with pytest.raises(FerlabError, match=r"t\.npz does not say them; give the runs"):
        adjust.for_sources(own, data, KeptTeacher({}, "t.npz"))


def test_each_training_face_has_the_shift_of_its_source(config, faces):
    both = of_two_sources(faces)
    made = compose.compose(config("logit_adjustment=1"), both, cuda=False).data
    train = both.of_split("train")
    assert set(train.source) == {0, 1}
    for source in (0, 1):
        counts = np.bincount(train.labels[train.source == source], minlength=K).astype(float)
        counts = np.maximum(counts, 0.5)
        found = made.logit_shift[train.source == source]
        np.testing.assert_allclose(found, np.tile(np.log(counts / counts.sum()), (len(found), 1)), rtol=1e-6)
    index = made.order(1)[32:64]
    for batches in (HostBatches(made, 0, 1), on_device(made)):
        pixels, targets, shift = batches[1, 1]
        assert len(pixels) == 32
        assert np.array_equal(targets, train.targets[index])
        assert np.array_equal(shift, made.logit_shift[index])
    assert compose.compose(config(), both, cuda=False).data.logit_shift is None


def test_a_run_states_what_it_takes_for_granted(config, faces, monkeypatch):
    both = of_two_sources(faces)
    monkeypatch.setattr(fit, "open_config", lambda *a, **k: both)
    run = fit.train(config("logit_adjustment=0.5", "trainer.max_epochs=1"))
    train = both.of_split("train")
    root = np.sqrt(np.bincount(train.labels[train.source == 0], minlength=K))
    np.testing.assert_allclose(run.info["priors"], root / root.sum(), rtol=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("class_weights=balanced",), r"class_weights=balanced and logit_adjustment=1\.0 both even"),
        (("balance=sampler",), r"balance=sampler and logit_adjustment=1\.0 both even"),
        (("mixup=0.2",), r"cannot mix faces of 2 sources; type mixup=0 cutmix=0"),
    ],
)
def test_what_a_logit_adjusted_loss_cannot_go_with(config, faces, words, message):
    with pytest.raises(FerlabError, match=message):
        compose.compose(config("logit_adjustment=1.0", *words), of_two_sources(faces), cuda=False)


def test_a_teacher_of_each_step_is_refused(config, faces):
    data = module_of(faces)
    with pytest.raises(FerlabError, match="type teacher_tta=none"):
        adjust.adjust(config("logit_adjustment=1"), data, ConsistentTeacher({}, None, None))
    assert data.logit_shift is None
