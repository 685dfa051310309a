"""Faces and a class -> maps of what carries the prediction, by five methods under one signature.

A method takes a model, faces float32 [B,1,48,48] in 0..255 and the class int [B] that is explained. It returns maps
float32 [B,48,48] of the face's own pixels, since preprocessing is part of what is explained. The score that is
explained is the logit. Values above 0 speak for the class.
"""

import functools
import logging
from collections.abc import Callable, Mapping

import numpy as np
import torch
from captum.attr import IntegratedGradients, LayerAttribution, LayerGradCam, Occlusion, Saliency
from saliency.core import XRAI
from skimage.segmentation import felzenszwalb
from skimage.transform import resize
from torch import Tensor, nn

from ferlab.errors import FerlabError
from ferlab.images import SIDE

logging.getLogger("saliency").setLevel(logging.WARNING)  # two lines a face otherwise

# Felzenszwalb's scales and smallest segment of XRAI's authors, who segment at 224 x 224.
_SCALES, _SEGMENT_SIDE, _SMALLEST_SEGMENT = (50, 100, 150, 250, 500, 1200), 224, 150


class Logits(nn.Module):
    """A run's preprocessing and net: faces [B,1,48,48] in 0..255 -> logits [B,7]."""

    preprocess: nn.Module
    net: nn.Module

    def __init__(self, preprocess: nn.Module, net: nn.Module):
        super().__init__()
        self.preprocess, self.net = preprocess, net

    def forward(self, faces: Tensor) -> Tensor:
        return self.net(self.preprocess(faces))


def occlusion(model: Logits, faces: Tensor, target: Tensor, settings: Mapping) -> Tensor:
    """How much the logit falls under a window of the face's mean grey; mean over the windows that cover a pixel.

    Zeiler and Fergus 2014 (arXiv:1311.2901). `settings`: window_px, stride_px.
    """
    window, stride = settings["window_px"], settings["stride_px"]
    with torch.no_grad():
        found = Occlusion(model).attribute(
            faces,
            sliding_window_shapes=(1, window, window),
            strides=(1, stride, stride),
            baselines=mean_grey(faces),
            target=target,
            perturbations_per_eval=4,
        )
    return found[:, 0]


def grad_cam(model: Logits, faces: Tensor, target: Tensor, settings: Mapping) -> Tensor:
    """Weighted sum of the last feature maps, above 0 (Selvaraju et al. 2017, arXiv:1610.02391), enlarged bilinearly.

    Raises:
        FerlabError: no layer of the net has a spatial output.
    """
    layer = last_spatial_layer(model, faces[:1])
    coarse = LayerGradCam(model, layer).attribute(faces, target=target, relu_attributions=True)
    return LayerAttribution.interpolate(coarse, (SIDE, SIDE), "bilinear")[:, 0].detach()


def gradients(model: Logits, faces: Tensor, target: Tensor, settings: Mapping) -> Tensor:
    """|d logit / d pixel| (Simonyan et al. 2014, arXiv:1312.6034)."""
    return Saliency(model).attribute(faces.clone().requires_grad_(), target=target, abs=True)[:, 0].detach()


def integrated_gradients(model: Logits, faces: Tensor, target: Tensor, settings: Mapping) -> Tensor:
    """Gradients along the way from the face's mean grey to the face (Sundararajan et al. 2017, arXiv:1703.01365).

    A map sums to the difference of the two logits, within the error of `settings`["steps"] (Gauss-Legendre).
    """
    return _integrated(model, faces, mean_grey(faces), target, settings["steps"])


def xrai(model: Logits, faces: Tensor, target: Tensor, settings: Mapping) -> Tensor:
    """Integrated gradients from black and from white, as means of regions (Kapishnikov et al. 2019, arXiv:1906.02825).

    Felzenszwalb's segments are dilated by about five pixels of 224, as the authors do. Five pixels of 48, which the
    library would take, merge the mouth with the cheeks. `settings`: steps.
    """
    ways = [_integrated(model, faces, torch.full_like(faces, grey), target, settings["steps"]) for grey in (0, 255)]
    base, pixels = ((ways[0] + ways[1]) / 2).cpu().numpy(), faces[:, 0].cpu().numpy()  # [B,48,48]
    maps = [
        XRAI().GetMask(face, None, segments=_segments(face.tobytes()), base_attribution=attribution)
        for face, attribution in zip(pixels, base, strict=True)
    ]
    return torch.from_numpy(np.stack(maps).astype(np.float32))


METHODS: dict[str, Callable[[Logits, Tensor, Tensor, Mapping], Tensor]] = {
    "occlusion": occlusion,
    "grad_cam": grad_cam,
    "gradients": gradients,
    "integrated_gradients": integrated_gradients,
    "xrai": xrai,
}


def explain(
    name: str, model: Logits, pixels: np.ndarray, target: np.ndarray, settings: Mapping, device: torch.device
) -> np.ndarray:
    """Maps float32 [B,48,48] by the method called `name` of one batch of faces uint8 [B,48,48] and classes int [B].

    Raises:
        FerlabError: an unknown method, or a face of one grey, which has no regions.
    """
    if name not in METHODS:
        raise FerlabError(f"method is {name!r}; choose {', '.join(METHODS)}")
    if constant := int((pixels.reshape(len(pixels), -1).max(1) == pixels.reshape(len(pixels), -1).min(1)).sum()):
        raise FerlabError(f"{constant} of {len(pixels)} faces are of one grey: no part of them explains a prediction")
    faces = torch.from_numpy(pixels.astype(np.float32))[:, None].to(device)  # [B,1,48,48]
    maps = METHODS[name](model, faces, torch.from_numpy(np.asarray(target, np.int64)).to(device), settings)
    return maps.float().cpu().numpy()


def mean_grey(faces: Tensor) -> Tensor:
    """Each face's mean as a face, the baseline of "nothing there". Black would be a feature of a bright face."""
    return faces.mean((2, 3), keepdim=True).expand_as(faces)


def last_spatial_layer(model: Logits, face: Tensor) -> nn.Module:
    """The last module of a net with an output [B,C,H,W] of more than one pixel, for Grad-CAM.

    Raises:
        FerlabError: there is none.
    """
    ended: list[nn.Module] = []

    def note(module: nn.Module, _: object, output: object) -> None:
        # The preprocessing's output is the face itself.
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[-1] > 1 and output.shape[-2] > 1:
            ended.append(module)

    hooks = [module.register_forward_hook(note) for module in model.net.modules()]
    try:
        with torch.no_grad():
            model(face)
    finally:
        for hook in hooks:
            hook.remove()
    if not ended:
        raise FerlabError("grad_cam needs a layer with spatial output and this net has none; leave it out of methods")
    return ended[-1]


def segments(face: np.ndarray) -> list[np.ndarray]:
    """Overlapping regions bool [48,48] of a face [48,48] that is not of one grey, at six scales."""
    low, high = face.min(), face.max()
    large = resize((face - low) / (high - low) * 2 - 1, (_SEGMENT_SIDE, _SEGMENT_SIDE), order=3, mode="edge")
    found = []
    for scale in _SCALES:
        labels = felzenszwalb(large, scale=scale, sigma=0.8, min_size=_SMALLEST_SEGMENT, channel_axis=None)
        small = resize(labels, face.shape, order=0, preserve_range=True, anti_aliasing=False).astype(int)
        found += [_dilated(small == label) for label in np.unique(small)]
    return found


@functools.lru_cache(maxsize=128)  # half a second each, and independent of the weights
def _segments(face: bytes) -> list[np.ndarray]:
    return segments(np.frombuffer(face, np.float32).reshape(SIDE, SIDE))


def _dilated(mask: np.ndarray) -> np.ndarray:
    """By one pixel up, down, left and right, which is about five pixels of 224; edges included."""
    out = mask.copy()
    out[1:] |= mask[:-1]
    out[:-1] |= mask[1:]
    out[:, 1:] |= mask[:, :-1]
    out[:, :-1] |= mask[:, 1:]
    return out


def _integrated(model: Logits, faces: Tensor, baseline: Tensor, target: Tensor, steps: int) -> Tensor:
    method = IntegratedGradients(model)
    # All steps of all faces at once would be steps times the memory.
    found = method.attribute(faces, baseline, target=target, n_steps=steps, internal_batch_size=max(len(faces), 64))
    return found[:, 0].detach().float()
