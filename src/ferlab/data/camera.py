"""What cameras do to a batch of faces: gamma, blur, low resolution and JPEG, as albumentations' transforms of one face.

Forms as in `augment`: uint8 faces through cv2 on the host (bit-equal to albumentations), or float faces on the device.
"""

from typing import Any

import albumentations
import cv2
import numpy as np
import torch
from albumentations.augmentations.blur.functional import create_gaussian_kernel_1d
from torch import Tensor
from torch.nn import functional

from ferlab.data.affine import span

_REACH = 3.5  # of a Gaussian kernel, in standard deviations: albumentations', which follows Pillow
# Rows of the quantisation table of grey JPEGs at quality 50 (ITU-T T.81, annex K.1), eight bytes each from the lowest.
# Packed, since a table from the host would be a copy in each step.
_JPEG_ROWS = tuple(
    int.from_bytes(bytes(row), "little")
    for row in (
        (16, 11, 10, 16, 24, 40, 51, 61),
        (12, 12, 14, 19, 26, 58, 60, 55),
        (14, 13, 16, 24, 40, 57, 69, 56),
        (14, 17, 22, 29, 51, 87, 80, 62),
        (18, 22, 37, 56, 68, 109, 103, 77),
        (24, 35, 55, 64, 81, 104, 113, 92),
        (49, 64, 78, 87, 103, 121, 120, 101),
        (72, 92, 95, 98, 112, 100, 103, 99),
    )
)
_BLOCK = 8  # px a side of what JPEG transforms


class GammaForm:
    """Batched albumentations.RandomGamma: grey^gamma on 0..1."""

    columns = 2  # applied, gamma

    def __init__(self, transform: albumentations.RandomGamma):
        self.t = transform

    @staticmethod
    def refusal(t: albumentations.RandomGamma) -> str:
        return ""

    def host(self, pixels: np.ndarray, u: np.ndarray) -> np.ndarray:
        out = pixels.copy()
        ramp = np.arange(0, 256.0 / 255, 1.0 / 255)
        for i in np.flatnonzero(u[:, 0] < self.t.p).tolist():
            table = (ramp ** (span(u[i, 1], self.t.gamma_limit) / 100.0)) * 255
            cv2.LUT(pixels[i], table.astype(np.uint8), out[i])
        return out

    def device(self, faces: Tensor, u: Tensor) -> Tensor:
        gamma = (span(u[:, 1], self.t.gamma_limit) / 100.0).float()[:, None, None, None]
        changed = (faces.clamp(0, 255) / 255) ** gamma * 255
        return torch.where(_applied(u, self.t.p), changed, faces)


class BlurForm:
    """Batched albumentations.GaussianBlur whose kernel is as wide as its sigma needs."""

    columns = 3  # applied, sigma, and a width, which is 0 for all

    def __init__(self, transform: albumentations.GaussianBlur):
        self.t = transform

    @staticmethod
    def refusal(t: albumentations.GaussianBlur) -> str:
        return "a blur_limit other than 0" if tuple(t.blur_limit) != (0, 0) else ""

    def host(self, pixels: np.ndarray, u: np.ndarray) -> np.ndarray:
        out = pixels.copy()
        for i in np.flatnonzero(u[:, 0] < self.t.p).tolist():
            kernel = create_gaussian_kernel_1d(span(u[i, 1], self.t.sigma_limit), 0)
            cv2.sepFilter2D(pixels[i], -1, kernel, kernel, out[i])
        return out

    def device(self, faces: Tensor, u: Tensor) -> Tensor:
        sigma = span(u[:, 1], self.t.sigma_limit)[:, None]  # [B,1]
        reach = int(self.t.sigma_limit[1] * _REACH)
        x = torch.arange(-reach, reach + 1, device=faces.device)  # [R]
        kernel = torch.exp(-0.5 * (x / sigma) ** 2) * (x.abs() <= torch.floor(sigma * _REACH))
        kernel = (kernel / kernel.sum(1, keepdim=True)).float()[:, None, None, None]  # [B,1,1,1,R]
        padded = functional.pad(faces, (reach,) * 4, mode="reflect")
        rows = (padded.unfold(3, 2 * reach + 1, 1) * kernel).sum(-1)  # [B,1,H+2r,W]
        blurred = (rows.unfold(2, 2 * reach + 1, 1) * kernel).sum(-1)
        return torch.where(_applied(u, self.t.p), blurred, faces)


class DownscaleForm:
    """Batched albumentations.Downscale: shrunk by the mean of areas, then enlarged linearly."""

    columns = 2  # applied, scale

    def __init__(self, transform: albumentations.Downscale):
        self.t = transform

    @staticmethod
    def refusal(t: albumentations.Downscale) -> str:
        if t.interpolation_pair != {"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_LINEAR}:
            return "interpolation other than area (3) down and linear (1) up"
        return "" if t.scale_range[1] < 1 else "a scale that does not shrink"

    def host(self, pixels: np.ndarray, u: np.ndarray) -> np.ndarray:
        (h, w), out = pixels.shape[1:], pixels.copy()
        for i in np.flatnonzero(u[:, 0] < self.t.p).tolist():
            scale = float(span(u[i, 1], self.t.scale_range))
            small = cv2.resize(pixels[i], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            cv2.resize(small, (w, h), out[i], interpolation=cv2.INTER_LINEAR)
        return out

    def device(self, faces: Tensor, u: Tensor) -> Tensor:
        h, w = faces.shape[-2:]
        scale = span(u[:, 1], self.t.scale_range)
        rows, columns = (self._there_and_back(scale, side).float() for side in (h, w))
        changed = rows[:, None] @ faces @ columns[:, None].mT
        return torch.where(_applied(u, self.t.p), changed, faces)

    def _there_and_back(self, scale: Tensor, side: int) -> Tensor:
        """Scales float64 [B] -> matrices [B,S,S] that shrink a line of S pixels and enlarge it again, as cv2 does."""
        n = torch.round(scale * side)[:, None, None]  # pixels of the small line
        small = torch.arange(round(side * self.t.scale_range[1]) + 1, device=scale.device).double()
        large = torch.arange(side, device=scale.device).double()
        start = small[None, :, None] / scale[:, None, None]  # where each small pixel begins in the line
        end = (start + 1 / scale[:, None, None]).clamp(max=side)
        overlap = (torch.minimum(end, large + 1) - torch.maximum(start, large)).clamp(min=0)
        shrink = torch.where(small[None, :, None] < n, overlap / (end - start).clamp(min=1e-9), 0)  # [B,n,S]
        source = ((large + 0.5)[None, :, None] * n / side - 0.5).clamp(min=0).minimum(n - 1)  # [B,S,1]
        return (1 - (source - small).abs()).clamp(min=0) @ shrink


class JpegForm:
    """Batched albumentations.ImageCompression to JPEG."""

    columns = 2  # applied, quality

    def __init__(self, transform: albumentations.ImageCompression):
        self.t = transform

    @staticmethod
    def refusal(t: albumentations.ImageCompression) -> str:
        return "" if t.compression_type == "jpeg" else "a compression other than jpeg"

    def _quality(self, u: Any, floor: Any) -> Any:
        low, high = self.t.quality_range
        return low + floor(u[:, 1] * (high - low + 1))

    def host(self, pixels: np.ndarray, u: np.ndarray) -> np.ndarray:
        out, quality = pixels.copy(), self._quality(u, np.floor).astype(int)
        for i in np.flatnonzero(u[:, 0] < self.t.p).tolist():
            _, content = cv2.imencode(".jpg", pixels[i], (cv2.IMWRITE_JPEG_QUALITY, int(quality[i])))
            out[i] = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
        return out

    def device(self, faces: Tensor, u: Tensor) -> Tensor:
        """As libjpeg, but with a cosine transform in floats; sides are multiples of 8 pixels."""
        b, _, h, w = faces.shape
        quality = self._quality(u, torch.floor)
        percent = torch.where(quality < 50, torch.floor(5000 / quality), 200 - 2 * quality)[:, None, None]
        steps = torch.floor((_base_table(faces.device) * percent + 50) / 100).clamp(1, 255)[:, None, None].float()
        cosines = _cosines(faces.device)
        blocks = faces.round() - 128  # [B,1,H,W]
        blocks = blocks.reshape(b, h // _BLOCK, _BLOCK, w // _BLOCK, _BLOCK).transpose(2, 3)  # [B,H/8,W/8,8,8]
        kept = torch.round(cosines @ blocks @ cosines.mT / steps) * steps
        back = (cosines.mT @ kept @ cosines).transpose(2, 3).reshape(b, 1, h, w) + 128
        return torch.where(_applied(u, self.t.p), back.round().clamp(0, 255), faces)


def _applied(u: Tensor, p: float) -> Tensor:
    return (u[:, 0] < p)[:, None, None, None]


def _base_table(device: torch.device) -> Tensor:
    """The quantisation table at quality 50, float64 [8,8], made on the device."""
    places = 8 * torch.arange(_BLOCK, device=device)
    return torch.stack([(torch.full_like(places, row) >> places) & 255 for row in _JPEG_ROWS]).double()


def _cosines(device: torch.device) -> Tensor:
    """The orthonormal cosine transform (DCT-II) of 8 pixels, float32 [8,8]."""
    n = torch.arange(_BLOCK, device=device).double()
    waves = torch.cos((2 * n + 1) * n[:, None] * (torch.pi / (2 * _BLOCK))) * (2 / _BLOCK) ** 0.5
    return torch.where(n[:, None] == 0, waves * 0.5**0.5, waves).float()
