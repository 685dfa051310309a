"""Residual nets for small faces: the first convolution and the first stage keep all 48x48 places.

He et al. 2016, "Deep Residual Learning for Image Recognition" (arXiv:1512.03385): basic blocks of timm, two, two, two
and two for ResNet-18. Squeeze-and-excitation in each block (Hu et al. 2018, arXiv:1709.01507) by `attention: se`.

Deliberate differences: a 3x3 stem without stride and no max-pooling, as in the paper's nets for CIFAR, so that the
stages see 48, 24, 12 and 6 pixels a side and not 12, 6, 3 and 2; stochastic depth (Huang et al. 2016,
arXiv:1603.09382) and dropout before the classifier; and, so that the net begins to learn at once
(docs/experiments.md), a batch norm on the averaged features, in which aligned faces hardly differ at the start
(`heads`), and blocks whose last norm starts at 1, not at 0. 11,172,295 parameters for ResNet-18 with one grey channel.
"""

from collections.abc import Sequence
from typing import Any

from timm.models.resnet import BasicBlock
from timm.models.resnet import ResNet as TimmResNet
from torch import Tensor, nn

from ferlab.nets.heads import feature_norm

_STAGES = (64, 128, 256, 512)


class ResNet(nn.Module):
    """Normalised faces [B,channels,48,48] -> logits [B,classes].

    Args:
        channels: input channels; 1 for grey.
        classes: number of logits.
        layers: residual blocks of each of the four stages; [2, 2, 2, 2] is ResNet-18, [3, 4, 6, 3] ResNet-34.
        width: multiplies the filters 64, 128, 256, 512 of the stages.
        attention: a timm attention layer in each block, as `se`, `eca` or `cbam`; None for none.
        dropout: rate before the classifier.
        stochastic_depth: rate at which the last block is skipped in training, rising to it from 0 over the blocks.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        layers: Sequence[int],
        width: float,
        attention: str | None,
        dropout: float,
        stochastic_depth: float,
    ):
        super().__init__()
        block: Any = BasicBlock  # timm's annotation asks for an instance
        backbone: Any = TimmResNet(
            block,
            tuple(layers),
            num_classes=0,
            in_chans=channels,
            channels=tuple(round(filters * width) for filters in _STAGES),
            drop_path_rate=stochastic_depth,
            zero_init_last=False,
            block_args={"attn_layer": attention} if attention else None,
        )
        backbone.conv1 = nn.Conv2d(channels, backbone.conv1.out_channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(backbone.conv1.weight, mode="fan_out", nonlinearity="relu")
        backbone.maxpool = nn.Identity()
        self.backbone, features = backbone, backbone.num_features
        self.head = nn.Sequential(feature_norm(features), nn.Dropout(dropout), nn.Linear(features, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B,classes] of normalised faces [B,channels,48,48]."""
        return self.head(self.backbone(x))
