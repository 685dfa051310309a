"""Probabilities of a model, of views and of members, against numpy."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn

from ferlab.errors import FerlabError
from ferlab.predictors import heap
from ferlab.predictors.predictor import (
    Ensemble,
    Model,
    Specialised,
    TestTimeAugmentation,
    device_of,
    mean_over,
    predict,
    predict_views,
)
from ferlab.predictors.views import VIEWS
from ferlab.predictors.warping import warp


@pytest.fixture
def faces():
    return np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)


class _Scale(nn.Module):
    def forward(self, faces):
        return faces.float() / 255


def _model(seed=0):
    torch.manual_seed(seed)
    return Model(_Scale(), nn.Sequential(nn.Flatten(), nn.Linear(48 * 48, 7)))


def test_unknown_views_are_refused_with_the_names():
    with pytest.raises(ValueError, match="'views9'; choose none, flip, poster8, views8, views12 or views24"):
        TestTimeAugmentation(_model(), "views9")
    with pytest.raises(ValueError, match="at least one view"):
        TestTimeAugmentation(_model(), ())


def test_model_is_the_softmax_of_its_logits_in_float32(faces):
    model = _model()
    linear = model.net[1]
    logits = faces.reshape(5, -1) / 255 @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    given = predict(model, faces)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, expected, atol=1e-6)
    model.net.bfloat16()
    model.preprocess = nn.Sequential(_Scale(), _ToBf16())
    assert predict(model, faces).sum(1) == pytest.approx(1, abs=1e-6)  # bf16 would be off by 1e-3


class _ToBf16(nn.Module):
    def forward(self, x):
        return x.bfloat16()


def test_augmentation_is_the_mean_over_views_in_one_forward(faces):
    model = _model()
    sizes = []
    model.register_forward_hook(lambda _, args, out: sizes.append(len(args[0])))
    augmented = predict(TestTimeAugmentation(model, "views8"), faces, batch_size=16)
    assert sizes == [16, 16, 8]  # views, so that a batch takes the same memory under any set
    each = predict_views(model, faces, VIEWS["views8"], batch_size=24)
    assert each.shape == (8, 5, 7)
    np.testing.assert_allclose(augmented, each.mean(0), atol=1e-6)
    np.testing.assert_allclose(each[0], predict(model, faces), atol=1e-6)
    np.testing.assert_allclose(each[1], predict(model, faces[:, :, ::-1]), atol=1e-6)


def _logits(model, faces):
    with torch.inference_mode():
        return model.net(model.preprocess(faces.unsqueeze(1))).double().numpy()


def test_the_mean_in_logit_space_is_the_softmax_of_the_mean_logits(faces):
    model = _model()
    x = torch.from_numpy(faces)
    logits = np.mean([_logits(model, warp(x.unsqueeze(1), view).squeeze(1)) for view in VIEWS["poster8"]], axis=0)
    given = predict(TestTimeAugmentation(model, "poster8", "logit"), faces, batch_size=16)
    np.testing.assert_allclose(given, softmax(logits, axis=1), atol=1e-6)
    assert np.abs(given - predict(TestTimeAugmentation(model, "poster8"), faces)).max() > 1e-4


def test_a_view_that_excludes_a_class_gives_no_nan():
    by_view = torch.tensor([[[1.0, 0, 0, 0, 0, 0, 0]], [[0, 1.0, 0, 0, 0, 0, 0]]])
    said = mean_over(by_view, "logit")
    np.testing.assert_allclose(said, [[0.5, 0.5, 0, 0, 0, 0, 0]], atol=1e-6)


def test_one_view_has_nothing_to_average():
    assert TestTimeAugmentation(_model(), "none", "logit").space == "probability"
    with pytest.raises(ValueError, match="tta_space is 'log'; choose probability or logit"):
        TestTimeAugmentation(_model(), "flip", "log")


def test_members_are_tempered_before_they_vote(faces):
    members = [_model(seed) for seed in range(2)]
    x = torch.from_numpy(faces)
    hot, cold = (softmax(_logits(m, x) / t, axis=1) for m, t in zip(members, (2.5, 0.4), strict=True))
    given = predict(Ensemble(members, (3, 1), (2.5, 0.4)), faces)
    np.testing.assert_allclose(given, 0.75 * hot + 0.25 * cold, atol=1e-6)
    with pytest.raises(ValueError, match="expected 2 temperatures above 0"):
        Ensemble(members, None, (1.0, 0.0))


class _Says(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.rows = torch.tensor(rows)

    def forward(self, faces):
        return self.rows[: len(faces)].float()


def test_specialists_split_the_mass_of_their_pair_alone():
    base = [[0.5, 0.3, 0.2, 0, 0, 0, 0], [0.3, 0.2, 0.5, 0, 0, 0, 0], [0.1, 0.5, 0.4, 0, 0, 0, 0]]
    first = [[0.1, 0.4, 0.5, 0, 0, 0, 0]] * 3  # 0 against 1: a fifth
    second = [[0.9, 0.02, 0.08, 0, 0, 0, 0]] * 3  # 1 against 2: a fifth
    given = Specialised(_Says(base), [(0, 1), (2, 1)], [_Says(first), _Says(second)])(torch.zeros(3, 1, 48, 48))
    expected = [[0.16, 0.64, 0.2, 0, 0, 0, 0], base[1], [0.1, 0.18, 0.72, 0, 0, 0, 0]]
    np.testing.assert_allclose(given, expected, atol=1e-6)
    np.testing.assert_allclose(given.sum(1), 1, atol=1e-6)


def test_ensemble_is_the_weighted_mean(faces):
    members = [_model(seed) for seed in range(3)]
    each = np.stack([predict(member, faces) for member in members])
    np.testing.assert_allclose(predict(Ensemble(members), faces), each.mean(0), atol=1e-6)
    weighted = np.average(each, axis=0, weights=(3, 1, 0))
    np.testing.assert_allclose(predict(Ensemble(members, (3, 1, 0)), faces), weighted, atol=1e-6)


def test_ensemble_and_augmentation_interchange(faces):
    members = [_model(seed) for seed in range(2)]
    outside = TestTimeAugmentation(Ensemble(members), "flip")
    inside = Ensemble([TestTimeAugmentation(member, "flip") for member in members])
    np.testing.assert_allclose(predict(outside, faces), predict(inside, faces), atol=1e-6)


@pytest.mark.parametrize("weights", [(1.0,), (1.0, -1.0), (0.0, 0.0)])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(ValueError, match="expected 2 weights"):
        Ensemble([_model(), _model()], weights)
    with pytest.raises(ValueError, match="at least one member"):
        Ensemble([])


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_batches_do_not_change_the_result(faces, batch_size):
    model = _model()
    np.testing.assert_allclose(predict(model, faces, batch_size), predict(model, torch.from_numpy(faces)), atol=1e-6)


def test_predict_takes_no_faces_read_only_ones_and_plain_callables(faces):
    assert predict(_model(), faces[:0]).shape == (0, 7)
    assert predict_views(_model(), faces[:0], VIEWS["flip"]).shape == (2, 0, 7)
    faces.flags.writeable = False
    assert predict(lambda x: torch.full((len(x), 7), 1 / 7), faces).shape == (5, 7)


def test_prediction_leaves_training_mode(faces):
    model = Model(_Scale(), nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(48 * 48, 7)))
    np.testing.assert_array_equal(predict(model.train(), faces), predict(model.train(), faces))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_probabilities_that_are_not_finite_are_refused(faces, value):
    def answers(batch):
        found = torch.full((len(batch), 7), 1 / 7)
        found[batch[:, 0, 0, 0] == faces[3, 0, 0], 2] = value
        return found

    with pytest.raises(FerlabError, match="NaN or infinity for some of the faces 2 to 3"):
        predict(answers, faces, batch_size=2)
    with pytest.raises(FerlabError, match="NaN or infinity for some of the faces 3 to 3"):
        predict_views(answers, faces, VIEWS["none"], batch_size=1)


def test_a_net_on_a_cpu_finds_the_process_ready(monkeypatch):
    calls = []
    monkeypatch.setattr(heap, "ready", lambda: calls.append(True))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (device_of("auto").type, calls) == ("cuda", [])
    assert (device_of("cpu").type, calls) == ("cpu", [True])
