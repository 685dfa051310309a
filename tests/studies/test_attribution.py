"""Attribution methods against loops and finite differences."""

import numpy as np
import pytest
import torch
from torch import nn

from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.nets.preprocess import Preprocess
from ferlab.studies import attribution
from ferlab.studies.attribution import Logits
from tests.conftest import SmallNet
from tests.studies.conftest import CPU, FACES, SETTINGS, TARGET, score


def explain(name, model, **settings):
    return attribution.explain(name, model, FACES, TARGET, SETTINGS | settings, CPU)


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
