"""The temperature against torch's optimiser, torchmetrics and temperatures that are known."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torchmetrics.classification import MulticlassCalibrationError

from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.metrics import temperature
from ferlab.metrics.temperature import fit_temperature, temper
from ferlab.predictors import predictor


def overconfident(temperature, n=20_000, seed=0):
    """Probabilities whose labels were drawn at another temperature than they claim."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, K))
    labels = np.array([rng.choice(K, p=row) for row in softmax(logits, axis=1)])
    return softmax(logits * temperature, axis=1), labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_found(temperature):
    probabilities, labels = overconfident(temperature)
    fitted = fit_temperature(probabilities, labels)
    assert fitted == pytest.approx(temperature, rel=0.03)
    # A gradient method finds the same minimum.
    log_t = torch.zeros((), requires_grad=True)
    z, y = torch.log(torch.tensor(probabilities)), torch.tensor(labels)
    optimiser = torch.optim.LBFGS([log_t], max_iter=50, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(z / log_t.exp(), y)
        loss.backward()
        return loss

    optimiser.step(closure)
    assert fitted == pytest.approx(log_t.exp().item(), rel=1e-3)


def test_scaling_is_that_of_logits_and_keeps_answers():
    logits = np.random.default_rng(1).normal(0, 3, (50, K))
    scaled = temper(softmax(logits, axis=1), 1.7)
    np.testing.assert_allclose(scaled, softmax(logits / 1.7, axis=1), atol=1e-9)
    assert (scaled.argmax(1) == logits.argmax(1)).all()


def test_scaling_lowers_the_calibration_error_that_torchmetrics_gives():
    probabilities, labels = overconfident(2.5)
    metric = MulticlassCalibrationError(K, n_bins=15)

    def error(p):
        return float(metric(torch.tensor(p), torch.tensor(labels)))

    scaled = temper(probabilities, temperature.fit_temperature(probabilities, labels))
    assert error(probabilities) > 0.1
    assert error(scaled) < 0.015
    crossed = temperature.cross_fitted(probabilities, labels, 5)
    assert error(crossed) == pytest.approx(error(scaled), abs=0.01)


def test_cross_fitting_never_sees_the_face_it_scales():
    probabilities, labels = overconfident(2.0, n=200)
    first = temperature.cross_fitted(probabilities, labels, 4)
    labels[0] = (labels[0] + 1) % K
    changed = np.abs(temperature.cross_fitted(probabilities, labels, 4) - first).max(1) > 1e-12
    assert not changed[::4].any()
    assert changed[1::4].all()


@pytest.mark.parametrize("value", [0.4, 1.0, 3.0])
def test_the_twin_in_torch_gives_the_same(value):
    probabilities = softmax(np.random.default_rng(3).normal(0, 2, (50, K)), axis=1)
    twin = predictor.temper(torch.from_numpy(probabilities), value)
    np.testing.assert_allclose(temper(probabilities, value), twin.numpy(), atol=1e-12)


def test_each_member_has_a_temperature_of_its_own():
    members = softmax(np.random.default_rng(4).normal(0, 2, (3, 20, K)), axis=2).astype(np.float32)
    tempered = temper(members, np.array([0.5, 1.0, 2.0]))
    assert tempered.dtype == np.float64
    for one, value, member in zip(tempered, (0.5, 1.0, 2.0), members, strict=True):
        np.testing.assert_allclose(one, temper(member, value), rtol=1e-14)  # a power of SIMD may differ in its last bit


def test_a_probability_of_zero_stays_finite():
    assert np.isfinite(temper(np.eye(K)[:2], 20.0)).all()
    assert temperature.best_temperature(np.eye(K), np.arange(K)) == pytest.approx(1 / 20, rel=1e-3)


@pytest.mark.parametrize(("n", "right"), [(1, True), (20, True), (20, False)])
def test_faces_that_fit_no_temperature_are_refused(n, right):
    probabilities = np.tile(softmax(np.arange(K, dtype=float)), (n, 1))
    with pytest.raises(FerlabError, match=f"no finite temperature fits {n} faces"):
        temperature.fit_temperature(probabilities, np.full(n, K - 1 if right else 0))
    with pytest.raises(FerlabError, match="found none"):
        temperature.fit_temperature(probabilities[:0], np.zeros(0, int))
