"""The nets: sizes worked out from their definitions, and what training relies on. Cases come from conf/model."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
import timm
import torch
from hydra import compose, initialize_config_dir
from torch import nn
from torch.nn import functional as F

from ferlab.config import CONF, build, plain
from ferlab.nets.baseline import Baseline
from ferlab.nets.five_layer import FiveLayer
from ferlab.nets.resnet import ResNet
from ferlab.nets.transfer import Transfer

with initialize_config_dir(CONF, version_base="1.3"):
    MODELS = {
        path.stem: plain(compose("train", overrides=[f"model={path.stem}"]))["model"]
        for path in sorted(Path(CONF, "model").glob("*.yaml"))
    }
SMALL = {name: conf for name, conf in MODELS.items() if conf["input"]["size"] == 48}


def small_net(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build(SMALL[name]["net"])


def faces(b: int = 4) -> torch.Tensor:
    return torch.randn(b, 1, 48, 48, generator=torch.Generator().manual_seed(1))


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def conv(inputs, filters, kernel):  # with bias, and batch norm's two values a filter
    return filters * (inputs * kernel**2 + 1) + 2 * filters


def dense(inputs, units):
    return (inputs + 1) * units


@pytest.mark.parametrize(
    ("name", "definition", "published"),
    [
        (
            "five_layer",
            conv(1, 32, 5) + conv(32, 32, 4) + conv(32, 64, 5) + dense(64 * 6 * 6, 1024) + 2 * 1024 + dense(1024, 7),
            2_438_311,
        ),
        (
            "resnet18",  # convolutions without bias, norms of two values a filter
            64 * 9 + 2 * 64 + sum(
                a * b * 9 + 3 * b * b * 9 + 4 * 2 * b + (a != b) * (a * b + 2 * b)
                for a, b in pairwise((64, 64, 128, 256, 512))
            ) + 2 * 512 + dense(512, 7),
            11_172_295,
        ),
        (
            "baseline",
            conv(1, 32, 3) + conv(32, 32, 3) + conv(32, 64, 3) + conv(64, 64, 3)
            + dense(64 * 12 * 12, 1024) + 2 * 1024 + dense(1024, 7),
            9_512_807,
        ),
    ],
)  # fmt: skip
def test_number_of_parameters(name, definition, published):
    assert definition == published
    assert parameters(small_net(name)) == published


def test_five_layers_sides():
    net, sides = FiveLayer(channels=1, classes=7, dropout=0.3), []
    for layer in net:
        if isinstance(layer, nn.MaxPool2d):
            layer.register_forward_hook(lambda m, i, out: sides.append(tuple(out.shape[1:])))
    assert net.eval()(faces(1)).shape == (1, 7)
    assert sides == [(32, 24, 24), (32, 12, 12), (64, 6, 6)]


def test_five_layer_with_relu_before_pooling_gives_the_same_numbers():
    net = small_net("five_layer").eval()
    x = y = faces()
    layers = list(net)
    for i in range(0, 12, 4):
        convolution, norm, pool, relu = layers[i : i + 4]
        x = pool(relu(norm(convolution(x))))  # Keras' order
        y = relu(pool(norm(convolution(y))))
        torch.testing.assert_close(x, y, rtol=0, atol=0)
    torch.testing.assert_close(nn.Sequential(*layers[12:])(x), net(faces()), rtol=1e-5, atol=1e-6)


def test_five_layer_is_its_definition_in_functions():
    """The same logits by torch.nn.functional alone, from the net's own weights in order."""
    net = small_net("five_layer").eval()
    state = [p for p in net.state_dict().values() if p.ndim]
    x = faces()
    for k, padding in enumerate((2, 1, 2)):
        w, b, gamma, beta, mean, var = state[6 * k : 6 * k + 6]
        x = F.batch_norm(F.conv2d(x, w, b, padding=padding), mean, var, gamma, beta)
        x = F.relu(F.max_pool2d(x, 3, 2, 1))
    w, b, gamma, beta, mean, var, w2, b2 = state[18:]
    x = F.relu(F.batch_norm(F.linear(x.flatten(1), w, b), mean, var, gamma, beta))
    torch.testing.assert_close(F.linear(x, w2, b2), net(faces()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", SMALL)
def test_memory_format_does_not_matter(name):
    net = small_net(name).eval()
    expected = net(faces())
    channels_last = net.to(memory_format=torch.channels_last)
    out = channels_last(faces().contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_a_face_does_not_depend_on_its_batch(name):
    net = small_net(name).eval()
    x = faces(5)
    together = net(x)
    for i in range(len(x)):
        torch.testing.assert_close(net(x[i : i + 1])[0], together[i], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_gradients_reach_every_parameter(name):
    net = small_net(name).train()
    F.cross_entropy(net(faces(8)), torch.arange(8) % 7).backward()
    without = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    # A bias before batch norm has a gradient of zero: the norm takes it out again.
    dead = [n for n, p in net.named_parameters() if p.ndim > 1 and not p.grad.abs().sum() > 0]
    assert without == []
    assert dead == []


def test_gradients_reach_every_parameter_of_a_transfer_net():
    torch.manual_seed(0)
    net = Transfer("resnet18", channels=3, classes=7, hidden=[16, 8], dropout=0.0)
    F.cross_entropy(net(torch.randn(4, 3, 32, 32)), torch.arange(4)).backward()
    assert [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    head = [m for m in net.head if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in head] == [(512, 16), (16, 8), (8, 7)]


@pytest.mark.parametrize("width", [0.25, 0.5, 2.0])
def test_width_multiplies_the_layers(width):
    net = FiveLayer(channels=1, classes=7, dropout=0.3, width=width)
    filters = [m.out_channels for m in net if isinstance(m, nn.Conv2d)]
    assert filters == [32 * width, 32 * width, 64 * width]
    assert net.eval()(faces(1)).shape == (1, 7)


def test_baseline_takes_other_channels_and_classes():
    assert Baseline(channels=3, classes=5, dropout=0.1).eval()(torch.zeros(2, 3, 48, 48)).shape == (2, 5)


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
