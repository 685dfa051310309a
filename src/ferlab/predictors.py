"""Faces enter, probabilities leave: one model, a model under test-time augmentation and an ensemble look alike.

A predictor is a callable that takes faces [B,1,48,48] in 0..255 (uint8, or float after a warp) and gives probabilities
float32 [B,7]. This file alone decides how views are made and how probabilities are averaged.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Predictor = Callable[[Tensor], Tensor]


class View(NamedTuple):
    """One variant of a face: mirrored first, then turned and zoomed about its centre, then shifted.

    Attributes:
        mirror: left and right exchanged.
        shift_px: (x, y) in pixels, to the right and down.
        zoom: above 1 enlarges the face.
        rotate_deg: degrees counter-clockwise as seen.
    """

    mirror: bool = False
    shift_px: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    rotate_deg: float = 0.0


def _mirrored_too(poses: Sequence[tuple[tuple[float, float], float, float]]) -> tuple[View, ...]:
    return tuple(View(mirror, *pose) for pose in poses for mirror in (False, True))


# shift_px, zoom, rotate_deg. Each is used mirrored and not, so a turn to one side also stands for the other. All lie
# inside the poster's training augmentation (10 %, 10 degrees): a view the net never met only adds noise to the mean.
_POSES = (
    ((0.0, 0.0), 1.0, 0.0),
    ((0.0, 0.0), 1.1, 0.0),
    ((0.0, 0.0), 1.0, 8.0),
    ((2.0, 2.0), 1.0, 0.0),
    ((-2.0, -2.0), 1.05, -4.0),
    ((0.0, -2.0), 0.95, 4.0),
)

# A new set of views is a new line here; choose among them on the validation split.
VIEWS: dict[str, tuple[View, ...]] = {
    "none": (View(),),
    "flip": (View(), View(mirror=True)),
    "views8": _mirrored_too(_POSES[:4]),
    "views12": _mirrored_too(_POSES),
}


def views_named(name: str) -> tuple[View, ...]:
    """The views of a set.

    Raises:
        ValueError: no set of that name.
    """
    if name not in VIEWS:
        raise ValueError(f"tta is {name!r}; choose {', '.join(list(VIEWS)[:-1])} or {list(VIEWS)[-1]}")
    return VIEWS[name]


def warp(faces: Tensor, view: View) -> Tensor:
    """Square faces [B,1,S,S], 0..255 -> the same seen as `view`, float32; what is shifted in repeats the border."""
    x = faces.float()
    if view.mirror:
        x = x.flip(-1)
    if view._replace(mirror=False) == View():
        return x  # grid_sample would round: an identity view must leave the pixels exactly
    side = x.shape[-1]
    turn = math.radians(view.rotate_deg)
    # affine_grid asks where each output pixel comes from: the inverse of the move, with y downwards.
    cos, sin = math.cos(turn) / view.zoom, math.sin(turn) / view.zoom
    right, down = (2.0 * s / side for s in view.shift_px)  # pixels -> the grid's -1..1
    theta = [[cos, -sin, -cos * right + sin * down], [sin, cos, -sin * right - cos * down]]
    grid = F.affine_grid(torch.tensor([theta], device=x.device), [1, 1, side, side], align_corners=False)
    grid = grid.expand(x.shape[0], -1, -1, -1)  # [B,S,S,2]
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


class Model(nn.Module):
    """Preprocessing and a net as a predictor: faces [B,1,48,48] -> softmax of the logits, float32 [B,7]."""

    def __init__(self, preprocess: nn.Module, net: nn.Module):
        super().__init__()
        self.preprocess, self.net = preprocess, net

    def forward(self, faces: Tensor) -> Tensor:
        # float32 whatever the net computes in: bf16 cannot tell 0.996 from 1.
        return self.net(self.preprocess(faces)).float().softmax(1)


class TestTimeAugmentation(nn.Module):
    """Mean of a predictor's probabilities over V views: faces [B,1,48,48] -> float32 [B,7].

    Args:
        predictor: what is asked, once, with the [V*B,1,48,48] views of a batch.
        views: the views, or the name of a set in `VIEWS`.

    Raises:
        ValueError: unknown name, or no view at all.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    def __init__(self, predictor: Predictor, views: str | Sequence[View]):
        super().__init__()
        self.predictor = predictor
        self.views = views_named(views) if isinstance(views, str) else tuple(views)
        if not self.views:
            raise ValueError("test-time augmentation needs at least one view")

    def by_view(self, faces: Tensor) -> Tensor:
        """Faces [B,1,48,48] -> probabilities of each view, float32 [V,B,7]."""
        warped = torch.cat([warp(faces, view) for view in self.views])  # [V*B,1,48,48], view after view
        return self.predictor(warped).unflatten(0, (len(self.views), -1))  # [V,B,7]

    def forward(self, faces: Tensor) -> Tensor:
        return self.by_view(faces).mean(0)


class Ensemble(nn.Module):
    """Soft vote: the weighted mean of the members' probabilities, faces [B,1,48,48] -> float32 [B,7].

    Args:
        members: M predictors.
        weights: one weight >= 0 per member, of any sum; None for equal ones.

    Raises:
        ValueError: no member, or weights that do not fit.
    """

    def __init__(self, members: Sequence[nn.Module], weights: Sequence[float] | None = None):
        super().__init__()
        weights = [1.0] * len(members) if weights is None else list(weights)
        if not members:
            raise ValueError("an ensemble needs at least one member")
        if len(weights) != len(members) or min(weights) < 0 or sum(weights) <= 0:
            raise ValueError(f"expected {len(members)} weights >= 0 of positive sum, got {weights}")
        self.members = nn.ModuleList(members)
        self.weights = [float(w) / sum(weights) for w in weights]

    def forward(self, faces: Tensor) -> Tensor:
        # One member at a time into a running sum: M stacked results would only be summed again.
        return sum(w * member(faces) for w, member in zip(self.weights, self.members, strict=True))


def predict(
    predictor: Predictor, pixels: np.ndarray | Tensor, batch_size: int = 1024, device: str | torch.device = "cpu"
) -> np.ndarray:
    """Probabilities float32 [N,7] of faces uint8 [N,48,48], in inference mode.

    A module is moved to `device` and put in eval mode. `batch_size` counts the views that the net sees at once, so the
    memory needed does not grow with test-time augmentation.
    """
    modules = predictor.modules() if isinstance(predictor, nn.Module) else ()
    views = max((len(m.views) for m in modules if isinstance(m, TestTimeAugmentation)), default=1)
    parts = _in_batches(predictor, predictor, pixels, max(1, batch_size // views), device)
    return np.concatenate(parts) if parts else np.zeros((0, 7), np.float32)


def predict_views(
    predictor: Predictor,
    pixels: np.ndarray | Tensor,
    views: Sequence[View],
    batch_size: int = 1024,
    device: str | torch.device = "cpu",
) -> np.ndarray:
    """As `predict`, but the probabilities of every view apart, float32 [V,N,7]: several sets can share views."""
    augmented = TestTimeAugmentation(predictor, views)
    parts = _in_batches(augmented, augmented.by_view, pixels, max(1, batch_size // len(augmented.views)), device)
    return np.concatenate(parts, axis=1) if parts else np.zeros((len(augmented.views), 0, 7), np.float32)


@torch.inference_mode()
def _in_batches(
    predictor: Predictor, forward: Predictor, pixels: np.ndarray | Tensor, rows: int, device: str | torch.device
) -> list[np.ndarray]:
    if isinstance(predictor, nn.Module):
        predictor.to(device).eval()
    parts = []
    for start in range(0, len(pixels), rows):
        # np.array copies: a memory-mapped store is read-only, which torch cannot express.
        batch = pixels[start : start + rows]
        batch = torch.from_numpy(np.array(batch)) if isinstance(batch, np.ndarray) else batch
        parts.append(forward(batch.unsqueeze(1).to(device)).float().cpu().numpy())  # [rows,1,48,48] in
    return parts
