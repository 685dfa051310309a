"""Any timm backbone under the poster's dense head (arXiv:2004.11823): the transfer models of its Table 2.

The poster's senet50 is VGGFace2's SE-ResNet-50 (Cao et al. 2018, arXiv:1710.08092), which timm calls
`legacy_seresnet50`; timm's `seresnet50` takes the same weight files and computes something else (its stride sits on
another convolution), so it must not be used for it.

Deliberate differences: the head stands on globally averaged features, also under VGG16, whose own dense layers (a 7x7
convolution of 103 M parameters) are left out as in the poster's Keras models.
"""

from collections.abc import Sequence
from typing import Any

import timm
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from torch import Tensor, nn

from ferlab.errors import FerlabError
from ferlab.nets import dlib_resnet  # noqa: F401  # timm knows it from here on
from ferlab.nets.heads import feature_norm


class Transfer(nn.Module):
    """Normalised faces [B,channels,S,S] -> logits [B,classes].

    Args:
        backbone: a timm model name; it starts from random weights (`weights=` brings others).
        channels: input channels; the poster repeats grey to 3.
        classes: number of logits.
        hidden: units of each dense layer of the head; the poster has 4096 and 1024.
        dropout: rate before each dense layer.
        norm: batch norm on the averaged features, in which aligned faces hardly differ before the backbone has
            learned anything: for training from random weights.
        stochastic_depth: rate at which the backbone's last residual block is skipped in training, rising to it from 0
            (Huang et al. 2016, arXiv:1603.09382); for backbones that have it.
        caffe_strides: of a timm resnet50 as VGGFace2's ResNet-50 computes: a block's stride on its first 1x1
            convolution, and pooling after the stem without padding but with the last, partial window.
    """

    def __init__(
        self,
        backbone: str,
        channels: int,
        classes: int,
        hidden: Sequence[int],
        dropout: float,
        norm: bool = False,
        stochastic_depth: float = 0.0,
        caffe_strides: bool = False,
    ):
        super().__init__()
        # timm would ask a hub or open a folder for a name that says so, whatever `pretrained` is.
        if not timm.is_model(backbone):
            near = ", ".join(timm.list_models(f"*{backbone[:6]}*")[:8])
            raise FerlabError(f"timm knows no {backbone}; near it are {near or 'none'}")
        depth = stochastic_depth or None  # timm leaves None out: not every backbone takes the argument
        made: Any = timm.create_model(
            backbone, pretrained=False, in_chans=channels, num_classes=0, drop_path_rate=depth
        )
        features = made.num_features
        if hasattr(made, "pre_logits"):
            made.pre_logits = nn.Identity()
        elif hasattr(made, "head_hidden_size"):
            features = made.head_hidden_size
        if caffe_strides:
            _move_strides(made)
        for block in made.modules():
            # timm starts the last norm of a ResNet's block at 0; from random weights on faces that delays learning.
            if isinstance(block, BasicBlock | Bottleneck):
                nn.init.ones_(_last_norm(block).weight)
        self.backbone = made
        head: list[nn.Module] = [feature_norm(features)] if norm else []
        for units in hidden:
            head += [nn.Dropout(dropout), nn.Linear(features, units), nn.ReLU()]
            features = units
        self.head = nn.Sequential(*head, nn.Dropout(dropout), nn.Linear(features, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B,classes] of normalised faces [B,channels,S,S]."""
        return self.head(self.backbone(x))


def _last_norm(block: Any) -> Any:
    return block.bn3 if isinstance(block, Bottleneck) else block.bn2


def _move_strides(backbone: Any) -> None:
    if not issubclass(type(backbone), ResNet):
        raise ValueError(f"caffe_strides is for timm's resnet50, not {type(backbone).__name__}")
    for block in backbone.modules():
        if isinstance(block, Bottleneck):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)
    backbone.maxpool = nn.MaxPool2d(3, stride=2, padding=0, ceil_mode=True)
