"""Norms of constants come back to life: the same function, with the statistics of what they read."""

import numpy as np
import torch
from torch import nn

from ferlab.nets.transfer import Transfer
from ferlab.training.pretrained.norms import unfold


def folded() -> nn.Module:
    """dlib's net as its file gives it: random convolutions, and norms of mean 0 and variance 1 - eps."""
    torch.manual_seed(0)
    net = Transfer("dlib_resnet29", 3, 7, [], 0.0).backbone.eval()
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, 0, 0.1)
            module.running_var.fill_(1 - module.eps)
    return net


def test_unfolding_keeps_the_function_and_gives_the_norms_their_statistics():
    net = folded()
    x, other = torch.randn(2, 32, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = net(x), net(other)
        first = net.conv1(x)
        unfold(net, x)
        torch.testing.assert_close(net(x), before[0], rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(net(other), before[1], rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(net.bn1.running_mean, first.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(net.bn1.running_var, first.var((0, 2, 3)), rtol=1e-4)
        assert not net.training
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train()  # which then takes the batch's statistics: those of x
        torch.testing.assert_close(net(x), before[0], rtol=0.05, atol=0.05)
