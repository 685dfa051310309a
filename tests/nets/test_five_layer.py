"""The five-layer net against its definition."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ferlab.nets.five_layer import FiveLayer
from tests.nets.models import faces, small_net


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


@pytest.mark.parametrize("width", [0.25, 0.5, 2.0])
def test_width_multiplies_the_layers(width):
    net = FiveLayer(channels=1, classes=7, dropout=0.3, width=width)
    filters = [m.out_channels for m in net if isinstance(m, nn.Conv2d)]
    assert filters == [32 * width, 32 * width, 64 * width]
    assert net.eval()(faces(1)).shape == (1, 7)
