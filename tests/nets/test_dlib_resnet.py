"""dlib's net: its blocks against dlib's rules, and its place among timm's models."""

import pytest
import timm
import torch
from torch.nn import functional as F

from ferlab.nets.dlib_resnet import BLOCKS, Block, DlibResNet


def test_it_has_29_convolutions_and_halves_three_times_after_the_stem():
    torch.manual_seed(0)
    net = DlibResNet().eval()
    convolutions = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 1 + 2 * len(BLOCKS) == 29
    assert [m.bias for m in convolutions] == [None] * 29
    assert net(torch.zeros(1, 3, 150, 150)).shape == (1, 256)


def test_a_block_that_halves_adds_the_mean_and_zeros():
    torch.manual_seed(0)
    block, x = Block(4, 6, True).eval(), torch.randn(2, 4, 9, 9)
    inner = block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))
    expected = inner.clone()
    expected[:, :4] += F.avg_pool2d(x, 2, 2)
    torch.testing.assert_close(block(x), F.relu(expected))
    plain = Block(4, 4, False).eval()
    assert plain(x).shape == x.shape


def test_timm_builds_it_with_a_classifier_and_without_weights_of_its_own():
    net = timm.create_model("dlib_resnet29", in_chans=1, num_classes=5).eval()
    assert net(torch.zeros(2, 1, 150, 150)).shape == (2, 5)
    with pytest.raises(RuntimeError, match=r"convert dlib's file"):
        timm.create_model("dlib_resnet29", pretrained=True)
