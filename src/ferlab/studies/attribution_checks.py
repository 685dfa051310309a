"""Maps -> numbers that state how far to trust them. A map that passes is a measurement; another one is a picture.

Deletion and insertion (Petsiuk et al. 2018, arXiv:1806.07421) test whether the pixels that a map ranks first carry the
prediction. Weight randomisation (Adebayo et al. 2018, arXiv:1810.03292) tests whether the map depends on the net.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from scipy.integrate import trapezoid
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata
from torch import Tensor, nn

from ferlab.images import SIDE

M = TypeVar("M", bound=nn.Module)
_BLUR_PX = 5.0  # of the face that insertion starts from: no feature is left at 48 x 48
_GRAIN_PX = 3.0  # of smooth random maps, as coarse as those of occlusion and Grad-CAM


@torch.inference_mode()
def curve(
    logits: Callable[[Tensor], Tensor],
    pixels: np.ndarray,
    maps: np.ndarray,
    target: np.ndarray,
    steps: int,
    kind: str,
    device: torch.device,
) -> np.ndarray:
    """Probability [B,steps+1] of the class `target` [B] as a map's pixels are changed, its highest first.

    Args:
        logits: faces [B,1,48,48] in 0..255 -> logits [B,7].
        pixels: faces uint8 [B,48,48].
        maps: [B,48,48]; of equal pixels the upper left first.
        steps: equal steps in which all pixels are changed.
        kind: `deletion` replaces them by the face's mean grey; `insertion` starts from the blurred face and puts the
            face's own pixels back.
    """
    faces = pixels.reshape(len(pixels), -1).astype(np.float32)
    order = np.argsort(-maps.reshape(len(maps), -1), axis=1, kind="stable")  # [B,2304]
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(order.shape[1])[None], axis=1)  # rank of each pixel
    if kind == "deletion":
        before, after = faces, np.repeat(faces.mean(1, keepdims=True), faces.shape[1], 1)
    else:
        before, after = np.stack([gaussian_filter(f.astype(np.float32), _BLUR_PX).ravel() for f in pixels]), faces
    found = np.empty((len(faces), steps + 1), np.float32)
    for step in range(steps + 1):
        changed = np.where(place < round(step * order.shape[1] / steps), after, before)
        batch = torch.from_numpy(changed.reshape(-1, 1, SIDE, SIDE)).to(device)
        found[:, step] = logits(batch).float().softmax(1).cpu().numpy()[np.arange(len(faces)), target]
    return found


def area(curves: np.ndarray) -> np.ndarray:
    """Area [B] under curves [B,S+1] over 0..1 by trapezoids: small is good for deletion, large for insertion."""
    return trapezoid(curves, dx=1 / (curves.shape[1] - 1), axis=1)


def random_maps(n: int, seed: int, smooth: bool) -> np.ndarray:
    """Maps [n,48,48] independent of face and net: white noise, or noise as smooth as the maps of coarse methods.

    Both are baselines: deleting random single pixels changes a prediction sooner than deleting patches.
    """
    noise = np.random.default_rng([seed, int(smooth)]).standard_normal((n, SIDE, SIDE)).astype(np.float32)
    return np.stack([gaussian_filter(m, _GRAIN_PX) for m in noise]) if smooth and n else noise


def cascade(model: M, stages: int, seed: int) -> Iterator[tuple[float, M]]:
    """Copies of a model with more and more layers set to new random weights, from the logits down.

    Yields (share of the layers that are random, the copy); in the last copy all are. Layers are the modules with
    weights of their own, in the order of the net's definition.
    """
    copied = copy.deepcopy(model)
    own = [m for m in copied.modules() if list(m.parameters(recurse=False))]
    resets = [reset for m in own if callable(reset := getattr(m, "reset_parameters", None))]
    ends = sorted({max(1, round(len(resets) * (s + 1) / stages)) for s in range(stages)})
    done = 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for end in ends:
            for reset in resets[::-1][done:end]:
                reset()
            done = end
            yield end / len(resets), copied.eval()


def rank_correlation(maps: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Spearman's correlation [B] of the absolute values of two maps [B,48,48]; 0 where one of them is constant."""
    a, b = (rankdata(np.abs(m).reshape(len(m), -1), axis=1) for m in (maps, others))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    scale = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return np.divide((a * b).sum(1), scale, out=np.zeros(len(a)), where=scale > 0)


def passes(correlations: Sequence[float], limit: float) -> bool:
    """True if maps of a net with random weights differ from those of the trained one: |correlation| below a limit."""
    return abs(correlations[-1]) < limit
