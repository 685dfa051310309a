"""A small timm net, its file, and whether loaded weights compute the same."""

from pathlib import Path

import pytest
import timm
import torch

from ferlab.nets.transfer import Transfer

SMALL = "test_resnet"  # timm's, 0.5 M parameters


def backbone_of(found, name: str, channels: int = 3) -> torch.nn.Module:
    strides = {"caffe_strides": True} if found.caffe_strides else {}
    net = Transfer(name, channels, classes=7, hidden=[], dropout=0.0, **strides).eval()
    net.backbone.load_state_dict(found.state, strict=False)
    return net.backbone


def randomised(name: str, seed: int = 0, **kwargs) -> torch.nn.Module:
    """A timm net whose every tensor is random, batch norms' statistics too."""
    torch.manual_seed(seed)
    net = timm.create_model(name, pretrained=False, **kwargs).eval()
    for key, tensor in net.state_dict().items():
        if tensor.is_floating_point() and tensor.ndim == 1:
            tensor.copy_(torch.rand_like(tensor) + 0.5 if "bias" not in key else torch.randn_like(tensor) * 0.1)
    return net


@pytest.fixture(scope="session")
def small() -> torch.nn.Module:
    return randomised(SMALL)


@pytest.fixture
def small_file(small, tmp_path) -> Path:
    torch.save(small.state_dict(), tmp_path / "small.pth")
    return tmp_path / "small.pth"


def same_features(found, net: torch.nn.Module, name: str = SMALL) -> bool:
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = net.forward_head(net.forward_features(x), pre_logits=True)
        return torch.allclose(backbone_of(found, name)(x), expected, rtol=1e-5, atol=1e-5)


def saved(state: dict, folder: Path) -> str:
    torch.save(state, folder / "x.pth")
    return str(folder / "x.pth")
