"""Transfer nets: the poster's heads on timm's backbones."""

import math
from itertools import pairwise

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F

from ferlab.config import build
from ferlab.nets.transfer import Transfer
from tests.nets.models import MODELS, dense, parameters


def test_gradients_reach_every_parameter_of_a_transfer_net():
    torch.manual_seed(0)
    net = Transfer("resnet18", channels=3, classes=7, hidden=[16, 8], dropout=0.0)
    F.cross_entropy(net(torch.randn(4, 3, 32, 32)), torch.arange(4)).backward()
    assert [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    head = [m for m in net.head if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in head] == [(512, 16), (16, 8), (8, 7)]


def test_senet50_is_vggface2s_and_not_timms_seresnet50():
    assert MODELS["senet50"]["net"]["backbone"] == "legacy_seresnet50"
    assert all(conf["net"].get("backbone") != "seresnet50" for conf in MODELS.values())
    with torch.device("meta"):
        legacy = timm.create_model("legacy_seresnet50", num_classes=0)
        other = timm.create_model("seresnet50", num_classes=0)
    # The stride of a stage sits on its first 1x1 convolution, as in VGGFace2's; seresnet50 has it on the 3x3.
    block = legacy.layer2[0]
    assert (block.conv1.stride, block.conv2.stride) == ((2, 2), (1, 1))
    assert (other.layer2[0].conv1.stride, other.layer2[0].conv2.stride) == ((1, 1), (2, 2))


@pytest.mark.parametrize(
    ("name", "hidden"), [("resnet50", (4096, 1024)), ("senet50", (4096, 1024)), ("vgg16", (1024,))]
)
def test_transfer_heads_are_the_posters(name, hidden):
    with torch.device("meta"):
        net = build(MODELS[name]["net"])
    head = [m for m in net.head if isinstance(m, nn.Linear)]
    assert tuple(m.out_features for m in head) == (*hidden, 7)
    sizes = [head[0].in_features, *hidden, 7]
    assert parameters(net.head) == sum(dense(a, b) for a, b in pairwise(sizes))
    backbone = 512 if name == "vgg16" else 2048  # convolutional features: VGG's own dense layers are left out
    assert head[0].in_features == backbone
    assert math.isclose(net.head[0].p, MODELS[name]["net"]["dropout"])
