"""The poster's five-layer net: three convolutions and two dense layers, the one its web app runs.

Khanzada, Bai and Celepcikay, "Facial Expression Recognition with Deep Learning" (Stanford CS230, 2020,
arXiv:2004.11823). 2,438,311 parameters for one grey channel, the poster's 2.4 M.

Deliberate differences: max-pooling comes before ReLU, which gives the same numbers (max and ReLU commute) on a quarter
of the values; the 4x4 convolution pads 1 pixel on each side where Keras' "same" pads 1 and 2, and the pooling pads
1 on each side, so that the sides are 24, 12 and 6 as in Keras and no separate padding runs.
"""

from torch import Tensor, nn


class FiveLayer(nn.Sequential):
    """Normalised faces [B,channels,48,48] -> logits [B,classes].

    Args:
        channels: input channels; 1 for grey.
        classes: number of logits.
        dropout: rate after the dense layer.
        width: multiplies the numbers of filters 32, 32, 64 and of the 1024 dense units.
    """

    def __init__(self, channels: int, classes: int, dropout: float, width: float = 1.0):
        a, b, c, d = (round(n * width) for n in (32, 32, 64, 1024))
        super().__init__(
            *_stage(channels, a, kernel=5, padding=2),  # 48 -> 24
            *_stage(a, b, kernel=4, padding=1),  # 24 -> 23 -> 12
            *_stage(b, c, kernel=5, padding=2),  # 12 -> 6
            nn.Flatten(),  # [B,c*6*6]
            nn.Linear(c * 6 * 6, d),
            nn.BatchNorm1d(d),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(d, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B,classes] of normalised faces [B,channels,48,48]."""
        return super().forward(x)


def _stage(inputs: int, filters: int, kernel: int, padding: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(inputs, filters, kernel, padding=padding),
        nn.BatchNorm2d(filters),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.ReLU(),
    )
