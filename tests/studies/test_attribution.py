"""Attribution methods against loops and finite differences, and their checks on toys whose answer is known."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.nets.preprocess import Preprocess
from ferlab.studies import attribution
from ferlab.studies import attribution_checks as checks
from ferlab.studies.attribution import Logits
from tests.conftest import SmallNet, made_faces

SETTINGS = {"window_px": 8, "stride_px": 4, "steps": 32}
CPU = torch.device("cpu")
FACES = made_faces(seed=1).pixels[:5]
TARGET = np.array([0, 3, 2, 6, 1])


class Linear(nn.Module):
    """The logits are weighted sums of pixels in 0..1, so that every pixel's part is known."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(np.random.default_rng(5).normal(0, 0.01, (K, 48 * 48))).float())

    def forward(self, x):
        return x.flatten(1) @ self.weight.T


@pytest.fixture(scope="module")
def model():
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return Logits(Preprocess(48, 1, [0.5], [0.25]), SmallNet()).eval()


@pytest.fixture(scope="module")
def linear():
    return Logits(Preprocess(48, 1, [0.0], [1.0]), Linear()).eval()


def explain(name, model, **settings):
    return attribution.explain(name, model, FACES, TARGET, SETTINGS | settings, CPU)


def score(model, pixels):
    with torch.no_grad():
        return model(torch.from_numpy(np.asarray(pixels, np.float32))[:, None]).numpy()


def test_occlusion_equals_a_loop_over_windows(model):
    found, expected, count = explain("occlusion", model), np.zeros((5, 48, 48)), np.zeros((48, 48))
    whole = score(model, FACES)[range(5), TARGET]
    for top in range(0, 41, 4):
        for left in range(0, 41, 4):
            window = np.s_[:, top : top + 8, left : left + 8]
            hidden = FACES.astype(np.float32)
            hidden[window] = FACES.mean((1, 2))[:, None, None]
            expected[window] += (whole - score(model, hidden)[range(5), TARGET])[:, None, None]
            count[window[1:]] += 1
    np.testing.assert_allclose(found, expected / count, atol=1e-4)


def test_gradients_equal_finite_differences(model):
    found = explain("gradients", model)
    rng = np.random.default_rng(0)
    double = Logits(Preprocess(48, 1, [0.5], [0.25]), SmallNet()).eval()
    double.load_state_dict(model.state_dict())
    for _ in range(20):
        i, row, column = rng.integers(5), rng.integers(48), rng.integers(48)
        up, down = FACES[i : i + 1].astype(np.float32), FACES[i : i + 1].astype(np.float32)
        up[0, row, column] += 0.5
        down[0, row, column] -= 0.5
        slope = (score(model, up) - score(model, down))[0, TARGET[i]]
        assert found[i, row, column] == pytest.approx(abs(slope), abs=2e-5)


def test_integrated_gradients_sum_to_the_difference_of_logits(model):
    baseline = np.broadcast_to(FACES.mean((1, 2), keepdims=True), FACES.shape)
    difference = (score(model, FACES) - score(model, baseline))[range(5), TARGET]
    sums = [explain("integrated_gradients", model, steps=s).sum((1, 2)) for s in (4, 128)]
    np.testing.assert_allclose(sums[1], difference, atol=0.01 * np.abs(difference).max())
    assert np.abs(sums[1] - difference).max() <= np.abs(sums[0] - difference).max()


def test_a_linear_net_is_explained_exactly(linear):
    weight = linear.net.weight.detach().numpy().reshape(K, 48, 48)[TARGET]
    away = FACES - FACES.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(explain("gradients", linear), np.abs(weight) / 255, rtol=1e-4)
    np.testing.assert_allclose(explain("integrated_gradients", linear), weight / 255 * away, atol=1e-5)


def test_grad_cam_equals_its_formula_and_finds_the_last_layer(model):
    layer = attribution.last_spatial_layer(model, torch.from_numpy(FACES[:1]).float()[:, None])
    assert layer is model.net[5]
    kept = {}
    hook = layer.register_forward_hook(lambda _m, _i, out: kept.update(maps=out))
    logits = model(torch.from_numpy(FACES).float()[:, None])
    hook.remove()
    slope = torch.autograd.grad(logits[range(5), TARGET].sum(), kept["maps"])[0]
    coarse = (slope.mean((2, 3), keepdim=True) * kept["maps"]).sum(1, keepdim=True).relu()
    large = nn.functional.interpolate(coarse, (48, 48), mode="bilinear", align_corners=False)[:, 0]
    np.testing.assert_allclose(explain("grad_cam", model), large.detach().numpy(), atol=1e-5)


def test_xrai_gives_each_region_its_mean_and_ranks_the_bright_one_first(linear):
    maps = explain("xrai", linear)
    assert maps.shape == FACES.shape
    assert all(len(np.unique(m)) < 300 for m in maps)  # regions, not pixels
    whole = attribution.segments(np.arange(48 * 48.0).reshape(48, 48))
    assert np.logical_or.reduce(whole).all()
    face = np.full((48, 48), 60.0)
    face[10:20, 10:20] = 200
    inner = np.zeros((48, 48), bool)
    inner[10:20, 10:20] = True
    overlap = [(m & inner).sum() / (m | inner).sum() for m in attribution.segments(face)]
    assert max(overlap) > 0.6


def test_a_net_without_maps_and_faces_of_one_grey_are_refused(linear, model):
    with pytest.raises(FerlabError, match="leave it out of methods"):
        explain("grad_cam", linear)
    with pytest.raises(FerlabError, match="method is 'lime'; choose occlusion"):
        explain("lime", model)
    constant = np.concatenate([FACES[:1], np.full((1, 48, 48), 7, np.uint8)])
    with pytest.raises(FerlabError, match="1 of 2 faces are of one grey"):
        attribution.explain("gradients", model, constant, TARGET[:2], SETTINGS, CPU)


@pytest.mark.parametrize("name", attribution.METHODS)
def test_a_map_does_not_depend_on_its_batch(name, model):
    alone = attribution.explain(name, model, FACES[2:3], TARGET[2:3], SETTINGS, CPU)
    np.testing.assert_allclose(alone[0], explain(name, model)[2], atol=1e-4)


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
        explain("integrated_gradients", model),
        attribution.explain("integrated_gradients", random, FACES, TARGET, SETTINGS, CPU),
    ).mean()
    assert not checks.passes([1.0, kept], 0.5)
    assert left < kept
