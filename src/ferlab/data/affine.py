"""albumentations.Affine on a batch: the parameters, the matrices and the two resamplers.

Uniforms in, matrices out, then uint8 faces through cv2 on the host (bit-equal to albumentations) or float faces
through grid_sample on the device. This module alone decides how a matrix follows from uniforms.
"""

from types import ModuleType
from typing import Any

import albumentations
import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# A face takes 4 us: cv2's own threads cost more than that and fight with the loader's workers.
cv2.setNumThreads(0)

_BORDERS = {cv2.BORDER_CONSTANT: "zeros", cv2.BORDER_REPLICATE: "border"}


def span(u: Any, limits: tuple[float, float]) -> Any:
    """Uniforms to the interval, by the formula of Python's random.uniform, which albumentations draws with."""
    return limits[0] + (limits[1] - limits[0]) * u


class AffineForm:
    """Batched albumentations.Affine (2.0.8): bilinear, border constant or replicate, size kept."""

    columns = 8  # applied, shift x and y, shear x and y, scale x and y, rotation: albumentations' order of drawing

    def __init__(self, transform: albumentations.Affine):
        self.t = transform

    @staticmethod
    def refusal(t: albumentations.Affine) -> str:
        """The part of the transform that has no batched form, or ""."""
        if t.interpolation != cv2.INTER_LINEAR:
            return "interpolation other than linear"
        if t.border_mode not in _BORDERS:
            return "border_mode other than constant and replicate"
        if t.fit_output or t.balanced_scale:
            return "fit_output or balanced_scale"
        return "" if isinstance(t.fill, int | float) else "a fill of several values"

    def matrices(self, u: Any, shape: tuple[int, int], xp: ModuleType) -> tuple[Any, Any]:
        """Uniforms float64 [B,8] -> applied bool [B] and the six entries, each float64 [B], of the forward 2x3 matrix.

        The product of albumentations' create_affine_transformation_matrix written out: shift to the centre of
        `shape` (H, W), scale, rotate, shear, translate by whole pixels, shift back.
        """
        t, (h, w) = self.t, shape
        if t.translate_px is not None:
            low_high = [(int(t.translate_px[k][0]), int(t.translate_px[k][1])) for k in "xy"]
            dx, dy = (a + xp.floor(u[:, 1 + k] * (b - a + 1)) for k, (a, b) in enumerate(low_high))
        else:
            dx = xp.trunc(span(u[:, 1], t.translate_percent["x"]) * w)
            dy = xp.trunc(span(u[:, 2], t.translate_percent["y"]) * h)
        shear_x = xp.tan(xp.deg2rad(-span(u[:, 3], t.shear["x"])))
        shear_y = xp.tan(xp.deg2rad(-span(u[:, 4], t.shear["y"])))
        scale_x = span(u[:, 5], t.scale["x"])
        scale_y = scale_x if t.keep_ratio else span(u[:, 6], t.scale["y"])
        turn = xp.deg2rad(span(u[:, 7], t.rotate) % 360)
        cos, sin = xp.cos(turn), xp.sin(turn)
        a = (cos - shear_x * sin) * scale_x
        b = (sin + shear_x * cos) * scale_y
        d = (shear_y * cos - sin) * scale_x
        e = (shear_y * sin + cos) * scale_y
        cx, cy = w / 2 - 0.5, h / 2 - 0.5
        return u[:, 0] < t.p, (a, b, cx + dx - a * cx - b * cy, d, e, cy + dy - d * cx - e * cy)

    def host(self, pixels: np.ndarray, u: np.ndarray) -> np.ndarray:
        """uint8 [B,H,W], uniforms [B,8] -> uint8 [B,H,W]."""
        h, w = pixels.shape[1:]
        applied, entries = self.matrices(u, (h, w), np)
        matrices = np.stack(entries, -1).reshape(-1, 2, 3)
        still = np.isclose(matrices, np.eye(2, 3)).all((1, 2))  # albumentations returns these faces as they came
        out = pixels.copy()
        fill, border = (self.t.fill,) * 4, self.t.border_mode
        for i in np.flatnonzero(applied & ~still).tolist():
            cv2.warpAffine(pixels[i], matrices[i], (w, h), out[i], cv2.INTER_LINEAR, border, fill)
        return out

    def device(self, faces: Tensor, u: Tensor) -> Tensor:
        """float32 [B,1,H,W], uniforms [B,8] -> float32 [B,1,H,W]; not rounded to whole grey levels as on the host."""
        h, w = faces.shape[-2:]
        applied, (a, b, c, d, e, f) = self.matrices(u, (h, w), torch)
        # cv2 takes the matrix from source to target and inverts it to look up each target pixel: so here.
        scale = 1 / (a * e - b * d)
        to_source = torch.stack((e, -b, b * f - e * c, -d, a, d * c - a * f), 1) * scale[:, None]  # [B,6]
        a, b, c, d, e, f = to_source.float()[:, :, None, None].unbind(1)  # six of [B,1,1]
        # Products and sums, not a matrix product: under TF32 or autocast that would put pixels 0.05 px astray.
        x = torch.arange(w, dtype=torch.float32, device=faces.device)
        y = torch.arange(h, dtype=torch.float32, device=faces.device)[:, None]
        grid_x = (a * x + b * y + c) * (2 / (w - 1)) - 1  # [B,H,W]
        grid_y = (d * x + e * y + f) * (2 / (h - 1)) - 1
        grid = torch.stack((grid_x, grid_y), -1)
        fill = 0.0 if self.t.border_mode == cv2.BORDER_REPLICATE else float(self.t.fill)
        warped = functional.grid_sample(
            faces - fill, grid, mode="bilinear", padding_mode=_BORDERS[self.t.border_mode], align_corners=True
        )
        return torch.where(applied[:, None, None, None], warped + fill, faces)
