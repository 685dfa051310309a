"""Pixels in 0..255 in, the net's normalised input out; no other module converts to grey, resizes or normalises.

Training, evaluation, ONNX and the browser run this same module, so it is part of every exported graph.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# ITU-R BT.601 luma, the weights of Pillow's convert("L") and of OpenCV's RGB2GRAY.
LUMA = (0.299, 0.587, 0.114)


class Preprocess(nn.Module):
    """Grey faces [B,1,H,W], 0..255, any numeric dtype -> float32 [B,channels,size,size], normalised.

    Args:
        size: side S of the net's input in pixels.
        channels: 1, or 3 to repeat the grey face for a net with RGB weights.
        mean, std: one value per channel, in the units of `scale`d pixels.
        scale: what 255 becomes: 1.0 for most nets, 255.0 for VGGFace2's.
    """

    gain: Tensor
    bias: Tensor

    def __init__(self, size: int, channels: int, mean: Sequence[float], std: Sequence[float], scale: float = 1.0):
        super().__init__()
        if not (isinstance(size, int) and size >= 1 and min(std, default=1) > 0 and 0 < scale < float("inf")):
            raise ValueError(f"expected a size of 1 or more, std and scale above 0, got {size}, {std} and {scale}")
        if len(mean) != channels or len(std) != channels:
            raise ValueError(f"expected {channels} means and standard deviations, got {len(mean)} and {len(std)}")
        self.size, self.channels = size, channels
        # (x / 255 * scale - mean) / std as one multiplication and one addition.
        std_ = torch.tensor(std).view(1, channels, 1, 1)
        self.register_buffer("gain", scale / 255.0 / std_, persistent=False)
        self.register_buffer("bias", -torch.tensor(mean).view(1, channels, 1, 1) / std_, persistent=False)

    def forward(self, faces: Tensor) -> Tensor:
        x = faces.float()  # [B,1,H,W]
        if x.shape[-2:] != (self.size, self.size):
            x = _resize(x, self.size)
        return x * self.gain + self.bias  # [B,C,S,S]: channels come from broadcasting over gain


def grey(rgb: Tensor) -> Tensor:
    """RGB or RGBA pixels [B,H,W,3 or 4] in 0..255 -> grey [B,1,H,W] float32 in 0..255; alpha is left out."""
    # Plane by plane: as a product with LUMA, onnxruntime took as long for it as for the whole five-layer net.
    red, green, blue = rgb.permute(0, 3, 1, 2)[:, :3].float().split(1, dim=1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def faces_of(rgba: Tensor, side: int) -> Tensor:
    """Crops [B,H,W,3 or 4] of any size, 0..255 -> the faces that a predictor takes, [B,1,side,side] float32, 0..255.

    A crop of that side is left as it is.
    """
    return _resize(grey(rgba), side)


def _resize(x: Tensor, side: int) -> Tensor:
    # Antialias matters when a crop is shrunk, and changes nothing when it is enlarged.
    return F.interpolate(x, (side, side), mode="bilinear", align_corners=False, antialias=True)
