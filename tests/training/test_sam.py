"""Sharpness-aware steps against the formula in numpy, and what they must leave alone."""

import numpy as np
import pytest
import torch
from torch import nn

from ferlab.expressions import K
from tests.training.conftest import classifier


def softmax_gradient(w: np.ndarray, x: np.ndarray, targets: np.ndarray) -> np.ndarray:
    z = x @ w.T
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return (p - targets).T @ x / len(x)


def step(module, faces: torch.Tensor, targets: torch.Tensor) -> None:
    """One optimiser step as Lightning makes it."""
    module.on_fit_start()
    optimizer = torch.optim.SGD(module.net.parameters(), 0.5)

    def closure() -> torch.Tensor:
        loss = module.training_step((faces, targets), 0)
        optimizer.zero_grad()
        loss.backward()
        return loss

    optimizer.step(module._sharpened(closure))


def batch(b: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    faces = torch.from_numpy(rng.random((b, 1, 48, 48), np.float32))
    return faces, torch.eye(K)[torch.from_numpy(rng.integers(K, size=b))]


def test_a_step_is_along_the_gradient_at_the_worst_point_near():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(48 * 48, K, bias=False))
    module, (faces, targets) = classifier(net, sam_rho=0.7), batch()
    w, x, t = net[1].weight.detach().double().numpy(), faces.flatten(1).double().numpy(), targets.double().numpy()
    g = softmax_gradient(w, x, t)
    expected = w - 0.5 * softmax_gradient(w + 0.7 * g / np.linalg.norm(g), x, t)
    step(module, faces, targets)
    np.testing.assert_allclose(net[1].weight.detach().numpy(), expected, atol=1e-5)
    assert np.abs(expected - (w - 0.5 * g)).max() > 1e-3  # a plain step is elsewhere


def test_running_statistics_and_sums_are_of_the_first_pass():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(48 * 48, 5), nn.BatchNorm1d(5), nn.Linear(5, K))
    module, (faces, targets) = classifier(net, sam_rho=2.0), batch()
    with torch.no_grad():
        features = net[1](faces.flatten(1)).double().numpy()
        loss = module.loss(faces, targets)[0].item()
    net[2].reset_running_stats()
    step(module, faces, targets)
    np.testing.assert_allclose(net[2].running_mean.numpy(), 0.1 * features.mean(0), rtol=1e-4)
    np.testing.assert_allclose(net[2].running_var.numpy(), 0.9 + 0.1 * features.var(0, ddof=1), rtol=1e-4)
    assert net[2].num_batches_tracked == 1
    assert module.train_sums.tolist()[::2] == pytest.approx([12 * loss, 12], rel=1e-5)
