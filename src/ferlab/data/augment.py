"""Augmentation: faces, their indices and the epoch in, as many faces out, still grey 0..255.

A policy is a list of albumentations transforms, from conf/augment. This module alone decides which of them run as a
batch (flip, affine, brightness and contrast, erasing, and those of `camera`) and what a policy with any other
transform does instead.
albumentations gives the formulas and ranges; the draws come from `uniforms`, for albumentations 2.0.8 repeats its own
in every worker and every epoch.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import albumentations
import cv2
import numpy as np
import torch
from torch import Tensor

from ferlab.data.affine import AffineForm, span
from ferlab.data.camera import BlurForm, DownscaleForm, GammaForm, JpegForm
from ferlab.data.uniforms import face_keys, uniforms
from ferlab.errors import FerlabError


class FlipForm:
    """Batched albumentations.HorizontalFlip."""

    columns = 1

    def __init__(self, transform: albumentations.HorizontalFlip):
        self.t = transform

    @staticmethod
    def refusal(t: albumentations.HorizontalFlip) -> str:
        return ""

    def host(self, pixels: np.ndarray, u: np.ndarray) -> np.ndarray:
        applied = u[:, 0] < self.t.p
        out = pixels.copy()
        out[applied] = pixels[applied, :, ::-1]
        return out

    def device(self, faces: Tensor, u: Tensor) -> Tensor:
        return torch.where((u[:, 0] < self.t.p)[:, None, None, None], faces.flip(-1), faces)


class ContrastForm:
    """Batched albumentations.RandomBrightnessContrast: clip(alpha * grey + beta)."""

    columns = 3  # applied, contrast, brightness

    def __init__(self, transform: albumentations.RandomBrightnessContrast):
        self.t = transform

    @staticmethod
    def refusal(t: albumentations.RandomBrightnessContrast) -> str:
        return "ensure_safe_range" if t.ensure_safe_range else ""

    def _alpha_beta(self, u: Any, mean: Any) -> tuple[Any, Any, Any]:
        beta = span(u[:, 2], self.t.brightness_limit)
        beta = beta * 255 if self.t.brightness_by_max else beta * mean
        return u[:, 0] < self.t.p, 1.0 + span(u[:, 1], self.t.contrast_limit), beta

    def host(self, pixels: np.ndarray, u: np.ndarray) -> np.ndarray:
        mean = None if self.t.brightness_by_max else pixels.mean((1, 2))
        applied, alpha, beta = self._alpha_beta(u, mean)
        ramp = np.arange(256, dtype=np.float32)
        # float32 and cut, not rounded, to whole grey levels: albucore's multiply_add does so.
        tables = ramp * alpha.astype(np.float32)[:, None] + beta.astype(np.float32)[:, None]
        tables = np.clip(tables, 0, 255).astype(np.uint8)  # [B,256]
        out = pixels.copy()
        for i in np.flatnonzero(applied).tolist():
            cv2.LUT(pixels[i], tables[i], out[i])
        return out

    def device(self, faces: Tensor, u: Tensor) -> Tensor:
        applied, alpha, beta = self._alpha_beta(u, faces.mean((1, 2, 3)))
        changed = (faces * alpha.float()[:, None, None, None] + beta.float()[:, None, None, None]).clamp(0, 255)
        return torch.where(applied[:, None, None, None], changed, faces)


class ErasingForm:
    """Batched albumentations.Erasing: one rectangle of one grey level (Zhong et al. 2017, arXiv:1708.04896)."""

    columns = 5  # applied, area, aspect ratio, top, left

    def __init__(self, transform: albumentations.Erasing):
        self.t = transform

    @staticmethod
    def refusal(t: albumentations.Erasing) -> str:
        if not isinstance(t.fill, int | float):
            return "a fill that is not one grey level"
        return "a scale that fits no ratio" if min(t.scale[1], t.ratio[0], 1 / t.ratio[1]) < t.scale[0] else ""

    def _holes(self, u: Any, shape: tuple[int, int], xp: ModuleType) -> tuple[Any, Any, Any, Any, Any]:
        """Applied [B] and the rectangle's left, top, right, bottom, each float64 [B], in whole pixels."""
        (h, w), (r_min, r_max) = shape, self.t.ratio
        largest = min(h * w * self.t.scale[1], r_min * h * h, r_max * h * h, w * w / r_min, w * w / r_max)
        area = span(u[:, 1], (h * w * self.t.scale[0], largest))
        narrowest, widest = xp.clip(area / (h * h), r_min, None), xp.clip(w * w / area, None, r_max)
        ratio = narrowest + (widest - narrowest) * u[:, 2]
        height, width = xp.round(xp.sqrt(area / ratio)), xp.round(xp.sqrt(area * ratio))
        top, left = xp.floor(u[:, 3] * (h - height + 1)), xp.floor(u[:, 4] * (w - width + 1))
        return u[:, 0] < self.t.p, left, top, left + width, top + height

    def host(self, pixels: np.ndarray, u: np.ndarray) -> np.ndarray:
        applied, *holes = self._holes(u, pixels.shape[1:], np)
        boxes = np.stack(holes, 1).astype(np.int64)[applied].tolist()
        out = pixels.copy()
        fill = np.array(self.t.fill).astype(np.uint8)
        for i, (left, top, right, bottom) in zip(np.flatnonzero(applied).tolist(), boxes, strict=True):
            out[i, top:bottom, left:right] = fill
        return out

    def device(self, faces: Tensor, u: Tensor) -> Tensor:
        h, w = faces.shape[-2:]
        applied, left, top, right, bottom = (v[:, None, None, None] for v in self._holes(u, (h, w), torch))
        x = torch.arange(w, device=faces.device)
        y = torch.arange(h, device=faces.device)[:, None]
        hole = applied & (x >= left) & (x < right) & (y >= top) & (y < bottom)  # [B,1,H,W]
        return faces.masked_fill(hole, float(int(self.t.fill)))  # torch.where would copy the number from the host


Form = FlipForm | AffineForm | ContrastForm | ErasingForm | BlurForm | DownscaleForm | GammaForm | JpegForm
_FORMS: dict[Any, type[Form]] = {
    albumentations.HorizontalFlip: FlipForm,
    albumentations.Affine: AffineForm,
    albumentations.RandomBrightnessContrast: ContrastForm,
    albumentations.Erasing: ErasingForm,
    albumentations.GaussianBlur: BlurForm,
    albumentations.Downscale: DownscaleForm,
    albumentations.RandomGamma: GammaForm,
    albumentations.ImageCompression: JpegForm,
}


def _why_not_batched(transform: Any) -> str:
    name = type(transform).__name__
    form = _FORMS.get(type(transform))  # by exact type: a subclass may draw or act otherwise
    if form is None:
        return f"{name} has no batched form"
    refusal = form.refusal(transform)
    return f"{name} with {refusal} has no batched form" if refusal else ""


class Augment:
    """An albumentations policy, run batched where every transform has a batched form, else image by image.

    The result depends on the policy, the seed, the epoch and the face's index only.

    Attributes:
        path: `batched` or `albumentations`.
        reason: which transform has no batched form, "" where all have.
    """

    def __init__(self, policy: Sequence[albumentations.BasicTransform], seed: int):
        self.policy, self.seed = list(policy), int(seed)
        for t in self.policy:
            if not isinstance(t, albumentations.BasicTransform | albumentations.BaseCompose):
                raise FerlabError(
                    f"augment.policy holds {t!r}; expected albumentations transforms, "
                    "such as `- _target_: albumentations.HorizontalFlip`"
                )
        self.reason = "; ".join(filter(None, map(_why_not_batched, self.policy)))
        self.path = "albumentations" if self.reason else "batched"
        self._forms: list[Form] = [] if self.reason else [_FORMS[type(t)](t) for t in self.policy]
        self._width = sum(form.columns for form in self._forms)
        self._compose = albumentations.Compose(self.policy) if self.reason else None

    def on_host(self, pixels: np.ndarray, index: np.ndarray, epoch: int) -> np.ndarray:
        """uint8 [B,H,W] with the faces' indices int64 [B] -> uint8 [B,H,W]; the input is left as it is."""
        index = np.asarray(index, np.int64)
        if self._compose is not None:
            return self._one_by_one(self._compose, pixels, index, epoch)
        u = uniforms(index, epoch, self.seed, np.arange(1, self._width + 1)).astype(np.float64)
        start = 0
        for form in self._forms:
            pixels = form.host(pixels, u[:, start : start + form.columns])
            start += form.columns
        return pixels

    def on_device(self, faces: Tensor, index: Tensor, epoch: int | Tensor) -> Tensor:
        """uint8 or float [B,1,H,W], 0..255, with indices int64 [B] on the same device -> float32 [B,1,H,W], 0..255.

        Torch only and without a wait for the device, so it compiles to one graph and may be captured. Give the epoch
        as a 0-dim tensor there: an int would be baked in. It draws as `on_host`; faces differ by rounding.

        Raises:
            FerlabError: the policy has a transform without a batched form.
        """
        if self.reason:
            raise FerlabError(f"augmentation on the device: {self.reason}; augment on the host, or drop the transform")
        columns = torch.arange(1, self._width + 1, device=index.device)
        faces = faces.float()
        # Doubles, so that whole-pixel shifts and erased boxes fall as on the host; a few numbers a face.
        u = uniforms(index, epoch, self.seed, columns).double()
        start = 0
        for form in self._forms:
            faces = form.device(faces, u[:, start : start + form.columns])
            start += form.columns
        return faces

    def _one_by_one(
        self, compose: albumentations.Compose, pixels: np.ndarray, index: np.ndarray, epoch: int
    ) -> np.ndarray:
        out = np.empty_like(pixels)
        keys = face_keys(index, epoch, self.seed) & (2**63 - 1)
        for i, key in enumerate(keys.tolist()):
            compose.set_random_seed(key)
            face = compose(image=pixels[i])["image"]
            if face.shape != out[i].shape or face.dtype != out.dtype:
                found = f"{face.dtype} {list(face.shape)}"
                raise FerlabError(
                    f"augment.policy turns a face of uint8 {list(out[i].shape)} into {found}; "
                    "leave out what resizes, crops or normalises: preprocess does that"
                )
            out[i] = face
        return out
