"""Residual nets for small faces: the sides of their stages, their blocks, and what is skipped."""

import pytest
import torch
from timm.models.resnet import BasicBlock
from torch import nn

from ferlab.nets.resnet import ResNet
from tests.nets.models import faces


def net(**changes) -> ResNet:
    torch.manual_seed(0)
    settings = {"layers": [1, 2, 1, 1], "width": 0.25, "attention": None, "dropout": 0.0, "stochastic_depth": 0.0}
    return ResNet(1, 7, **{**settings, **changes})


def test_the_stem_and_the_first_stage_keep_all_places():
    made, sides = net().eval(), []
    backbone = made.backbone
    for stage in (backbone.conv1, backbone.layer1, backbone.layer2, backbone.layer3, backbone.layer4):
        stage.register_forward_hook(lambda m, i, out: sides.append(tuple(out.shape[1:])))
    assert made(faces(2)).shape == (2, 7)
    assert sides == [(64, 48, 48), (16, 48, 48), (32, 24, 24), (64, 12, 12), (128, 6, 6)]


def test_blocks_are_as_many_and_their_last_norm_starts_at_one():
    blocks = [m for m in net().modules() if isinstance(m, BasicBlock)]
    assert len(blocks) == 5
    assert all((block.bn2.weight == 1).all() for block in blocks)


@pytest.mark.parametrize("attention", ["se", "eca"])
def test_attention_stands_in_each_block(attention):
    blocks = [m for m in net(attention=attention).modules() if isinstance(m, BasicBlock)]
    assert all(isinstance(block.se, nn.Module) for block in blocks)
    assert net(attention=attention).eval()(faces(2)).shape == (2, 7)


def test_stochastic_depth_rises_over_the_blocks_and_is_for_training():
    made = net(stochastic_depth=0.4)
    rates = [getattr(block.drop_path, "drop_prob", 0.0) for block in made.modules() if isinstance(block, BasicBlock)]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    made.eval()
    torch.testing.assert_close(made(faces()), made(faces()), rtol=0, atol=0)
