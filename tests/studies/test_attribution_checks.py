"""Checks of attribution maps on toys whose answer is known."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from ferlab.expressions import K
from ferlab.studies import attribution
from ferlab.studies import attribution_checks as checks
from tests.studies.conftest import CPU, FACES, SETTINGS, TARGET, score


def test_deletion_and_insertion_know_the_ranking_of_a_linear_toy(linear):
    """The exact part of each pixel beats every other ranking, its reverse is the worst, random lies between."""
    weight = linear.net.weight.detach().numpy().reshape(K, 48, 48)[TARGET]
    exact = weight * (FACES - FACES.mean((1, 2), keepdims=True))
    random = checks.random_maps(5, seed=0, smooth=False)

    def of(maps, kind):
        return checks.area(checks.curve(linear, FACES, maps, TARGET, 24, kind, CPU))

    assert (of(exact, "deletion") < of(random, "deletion")).all()
    assert (of(random, "deletion") < of(-exact, "deletion")).all()
    curve = checks.curve(linear, FACES, exact, TARGET, 24, "deletion", CPU)
    first = torch.from_numpy(score(linear, FACES)).softmax(1).numpy()[range(5), TARGET]
    np.testing.assert_allclose(curve[:, 0], first, rtol=1e-4)
    # A loop that deletes 96 pixels at a time.
    face, order = FACES[0].astype(np.float32).ravel(), np.argsort(-exact[0].ravel(), kind="stable")
    for step in range(25):
        changed = face.copy()
        changed[order[: 96 * step]] = face.mean()
        p = torch.from_numpy(score(linear, changed.reshape(1, 48, 48))).softmax(1)[0, TARGET[0]]
        assert curve[0, step] == pytest.approx(float(p), rel=1e-3)
    inserted = checks.curve(linear, FACES, exact, TARGET, 24, "insertion", CPU)
    np.testing.assert_allclose(inserted[:, -1], first, rtol=1e-4)
    assert checks.area(np.array([[1.0, 0.0, 0.0]]))[0] == pytest.approx(0.25)


def test_cascading_randomisation_starts_at_the_logits_and_ends_with_everything(model):
    before = {k: v.clone() for k, v in model.state_dict().items()}
    shares, changed = [], []
    for share, copy in checks.cascade(model, stages=4, seed=0):
        shares.append(share)
        changed.append({k for k, v in copy.state_dict().items() if "weight" in k and not torch.equal(v, before[k])})
    assert shares == [0.25, 0.5, 0.75, 1.0]
    assert changed[0] == {"net.7.weight"}
    assert changed[1] == {"net.7.weight", "net.3.weight"}
    assert "net.0.weight" in changed[3]
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_rank_correlation_is_spearmans():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 4, 48, 48)).round(1)  # with ties
    expected = [spearmanr(np.abs(x).ravel(), np.abs(y).ravel()).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(checks.rank_correlation(a, b), expected, atol=1e-9)
    np.testing.assert_allclose(checks.rank_correlation(a, -2 * a), 1)
    assert checks.rank_correlation(a, np.zeros_like(a)).tolist() == [0, 0, 0, 0]


def test_the_sanity_check_tells_maps_of_the_net_from_edges(model):
    """A map that only sees the face stays the same under random weights; gradients do not."""
    *_, (_, random) = checks.cascade(model, 2, seed=1)
    edges = np.abs(np.gradient(FACES.astype(float), axis=2))
    kept = checks.rank_correlation(edges, edges).mean()
    left = checks.rank_correlation(
        attribution.explain("integrated_gradients", model, FACES, TARGET, SETTINGS, CPU),
        attribution.explain("integrated_gradients", random, FACES, TARGET, SETTINGS, CPU),
    ).mean()
    assert not checks.passes([1.0, kept], 0.5)
    assert left < kept
