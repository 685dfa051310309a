"""Any timm backbone under the poster's dense head (arXiv:2004.11823): the transfer models of its Table 2.

The poster's senet50 is VGGFace2's SE-ResNet-50 (Cao et al. 2018, arXiv:1710.08092), which timm calls
`legacy_seresnet50`; timm's `seresnet50` takes the same weight files and computes something else (its stride sits on
another convolution), so it must not be used for it.
"""

from collections.abc import Sequence

import timm
from torch import Tensor, nn


class Transfer(nn.Module):
    """Normalised faces [B,channels,S,S] -> logits [B,classes].

    Args:
        backbone: a timm model name; it starts from random weights.
        channels: input channels; the poster repeats grey to 3.
        classes: number of logits.
        hidden: units of each dense layer of the head; the poster has 4096 and 1024.
        dropout: rate before each dense layer.
    """

    def __init__(self, backbone: str, channels: int, classes: int, hidden: Sequence[int], dropout: float):
        super().__init__()
        self.backbone = timm.create_model(backbone, pretrained=False, in_chans=channels, num_classes=0)
        features, head = self.backbone.num_features, []
        if hasattr(self.backbone, "head_hidden_size"):
            features = self.backbone.head_hidden_size
        for units in hidden:
            head += [nn.Dropout(dropout), nn.Linear(features, units), nn.ReLU()]
            features = units
        self.head = nn.Sequential(*head, nn.Dropout(dropout), nn.Linear(features, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B,classes] of normalised faces [B,channels,S,S]."""
        return self.head(self.backbone(x))
