"""Nets of conf/model, and sizes by hand."""

from pathlib import Path

import torch
from torch import nn

from ferlab.config import CONF, build
from tests.composing import composed

MODELS = {path.stem: composed(f"model={path.stem}")["model"] for path in sorted(Path(CONF, "model").glob("*.yaml"))}
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
