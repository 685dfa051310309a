"""The baseline's layers and sizes."""

import torch
from torch import nn

from ferlab.nets.baseline import Baseline


def test_baseline_takes_other_channels_and_classes():
    assert Baseline(channels=3, classes=5, dropout=0.1).eval()(torch.zeros(2, 3, 48, 48)).shape == (2, 5)


def test_it_pools_twice_and_drops_before_the_dense_layer():
    net = Baseline(channels=1, classes=7, dropout=0.25)
    assert [m.out_channels for m in net if isinstance(m, nn.Conv2d)] == [32, 32, 64, 64]
    assert [m.out_features for m in net if isinstance(m, nn.Linear)] == [1024, 7]
    kinds = [type(m) for m in net]
    assert kinds.count(nn.MaxPool2d) == 2
    assert kinds.index(nn.Dropout) < kinds.index(nn.Linear)
    assert next(m for m in net if isinstance(m, nn.Dropout)).p == 0.25
