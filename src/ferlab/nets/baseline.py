"""The poster's baseline: four 3x3 convolutions, two poolings, one dense layer.

Khanzada, Bai and Celepcikay, "Facial Expression Recognition with Deep Learning" (Stanford CS230, 2020,
arXiv:2004.11823). The poster gives every convolution 32 filters, the authors' public notebook 32, 32, 64, 64, and the
poster's 37.8 M parameters fit neither with two 2x2 poolings. Taken here: the notebook's filters, the two poolings that
both texts name, one dropout between convolutions and dense layer, which then has 64 x 12 x 12 inputs: 9,512,807
parameters for one grey channel.
"""

from torch import Tensor, nn


class Baseline(nn.Sequential):
    """Normalised faces [B,channels,48,48] -> logits [B,classes].

    Args:
        channels: input channels; 1 for grey.
        classes: number of logits.
        dropout: rate before the dense layer.
    """

    def __init__(self, channels: int, classes: int, dropout: float):
        super().__init__(
            *_convolution(channels, 32),
            *_convolution(32, 32),
            nn.MaxPool2d(2),  # 48 -> 24
            *_convolution(32, 64),
            *_convolution(64, 64),
            nn.MaxPool2d(2),  # 24 -> 12
            nn.Dropout(dropout),
            nn.Flatten(),  # [B,64*12*12]
            nn.Linear(64 * 12 * 12, 1024),
            nn.BatchNorm1d(1024),
            nn.ReLU(),
            nn.Linear(1024, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B,classes] of normalised faces [B,channels,48,48]."""
        return super().forward(x)


def _convolution(inputs: int, filters: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()
