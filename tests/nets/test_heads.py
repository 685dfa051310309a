"""The norm before a classifier."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ferlab.nets.heads import START, feature_norm
from ferlab.nets.resnet import ResNet
from ferlab.nets.transfer import Transfer


@pytest.mark.parametrize(
    "net",
    [
        lambda: ResNet(1, 7, [1, 1, 1, 1], 1.0, None, dropout=0.3, stochastic_depth=0.0),
        lambda: Transfer("resnet50", 3, 7, hidden=[], dropout=0.3, norm=True),
    ],
    ids=["resnet18", "resnet50"],
)
def test_the_head_learns_at_the_recipes_rate_from_features_that_rise_and_fall_together(net):
    """As averaged features of aligned faces do at first; with a norm that starts at 1 it rises above 10."""
    torch.manual_seed(0)
    head = net().head.train()
    features = next(m for m in head if isinstance(m, nn.BatchNorm1d)).num_features
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    highest = 0.0
    for _ in range(40):
        x = torch.randn(128, 1) + 0.1 * torch.randn(128, features)
        loss = F.cross_entropy(head(x), torch.randint(0, 7, (128,)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        highest = max(highest, loss.item())
    assert highest < 2.2  # of ln 7 = 1.95: there is nothing to learn, and nothing is made up


def test_features_leave_the_norm_with_a_tenth_of_their_spread():
    torch.manual_seed(0)
    x = 5 + 3 * torch.randn(256, 8)
    out = feature_norm(8).train()(x)
    torch.testing.assert_close(out.mean(0), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std(0, correction=0), torch.full((8,), START), atol=1e-4, rtol=0)
