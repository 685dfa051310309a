"""The nets: sizes worked out from their definitions, and what training relies on. Cases come from conf/model."""

from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from tests.nets.models import SMALL, conv, dense, faces, parameters, small_net


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
