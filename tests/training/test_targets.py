"""Weights of the classes and mixtures of faces, each against a second way to compute it."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.training.targets import class_weights, learned_priors, mixing

FER2013 = [3995, 436, 4097, 7215, 4830, 3171, 4965]  # training faces of each expression


def test_balanced_weights_are_scikit_learns():
    labels = np.repeat(np.arange(K), FER2013)
    expected = compute_class_weight("balanced", classes=np.arange(K), y=labels)
    np.testing.assert_allclose(class_weights("balanced", FER2013).numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("beta", [0.9, 0.999, 0.9999])
def test_effective_weights_are_cuis_formula(beta):
    raw = [(1 - beta) / (1 - beta**n) for n in FER2013]
    expected = np.array(raw) * sum(FER2013) / sum(w * n for w, n in zip(raw, FER2013, strict=True))
    found = class_weights("effective", FER2013, beta).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.average(found, weights=FER2013) == pytest.approx(1, rel=1e-6)


def test_weights_of_soft_counts_and_without_weighting():
    assert class_weights("none", [0, 1, 2]).tolist() == [1, 1, 1]
    assert class_weights("balanced", [0.5, 1.5]).tolist() == pytest.approx([2, 2 / 3])
    for kind in ("balanced", "effective"):
        with pytest.raises(FerlabError, match=r"none of class \[1\]; use none"):
            class_weights(kind, [3, 0, 2])
    for beta in (-0.1, 1.0):
        with pytest.raises(FerlabError, match=rf"class_weights_beta is {beta}; expected"):
            class_weights("effective", [3, 2], beta)


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_mixing_gives_convex_mixtures_of_two_faces(mixup, cutmix):
    mix = mixing(mixup, cutmix)
    faces = torch.arange(14.0).view(-1, 1, 1, 1).expand(14, 1, 48, 48).contiguous()
    targets = torch.eye(K).repeat(2, 1)
    before = (faces.clone(), targets.clone())
    mixed_somewhere = False
    for seed in range(8):
        torch.manual_seed(seed)
        x, t = mix(faces, targets)
        assert x.shape == faces.shape
        assert t.dtype == torch.float32
        torch.testing.assert_close(t.sum(1), torch.ones(14))
        assert t.min() >= 0
        # Face i holds the previous face's grey level (i - 1) with the share its target says.
        share = t.gather(1, (torch.arange(14) % K).view(-1, 1))[1:, 0]
        torch.testing.assert_close(x[1:].mean((1, 2, 3)), torch.arange(1.0, 14) - (1 - share), rtol=1e-4, atol=1e-3)
        mixed_somewhere |= bool((share < 0.99).any())
    assert mixed_somewhere
    torch.testing.assert_close((faces, targets), before, rtol=0, atol=0)  # a cached batch must not change


def test_without_mixing():
    assert mixing(0.0, 0.0) is None


@pytest.mark.parametrize(
    ("kind", "tau"), [("none", 0.0), ("none", 0.6), ("none", 1.0), ("balanced", 0.0), ("effective", 0.0)]
)
def test_what_a_net_learns_to_take_for_granted(kind, tau):
    """The shares of a classifier that saw nothing but class frequencies, found by minimising the loss itself."""
    shares, weights = np.array(FER2013) / sum(FER2013), class_weights(kind, FER2013)
    shift = torch.tensor(tau * np.log(shares))
    targets = torch.tensor(shares)[None]  # the mean target of a net that knows nothing of a face
    logits = torch.zeros(1, K, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits + shift, targets, weight=weights.double())
        loss.backward()
        return loss

    optimiser.step(closure)
    np.testing.assert_allclose(learned_priors(shares, weights, tau), logits.detach()[0].softmax(0), atol=2e-4)


def test_a_class_that_no_face_has_is_not_learned():
    without = np.array([0.5, 0, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert learned_priors(without, torch.ones(K), 0.0) == pytest.approx(without)
