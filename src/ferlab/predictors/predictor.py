"""Faces enter, probabilities leave: one model, a model under test-time augmentation and an ensemble look alike.

A predictor is a callable that takes faces [B,1,48,48] in 0..255 (uint8, or float after a warp) and gives probabilities
float32 [B,7]. This file alone decides how the probabilities of views and of members become one.
"""

import functools
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ferlab.errors import FerlabError
from ferlab.predictors import heap
from ferlab.predictors.progress import track
from ferlab.predictors.views import SPACES, View, space_named, views_named
from ferlab.predictors.warping import warp

Predictor = Callable[[Tensor], Tensor]


class Model(nn.Module):
    """Preprocessing and a net as a predictor: faces [B,1,48,48] -> softmax of the logits, float32 [B,7]."""

    def __init__(self, preprocess: nn.Module, net: nn.Module):
        super().__init__()
        self.preprocess, self.net = preprocess, net

    def forward(self, faces: Tensor) -> Tensor:
        # float32 whatever the net computes in: bf16 cannot tell 0.996 from 1.
        return self.net(self.preprocess(faces)).float().softmax(1)


class TestTimeAugmentation(nn.Module):
    """Mean of a predictor's answers over V views: faces [B,1,48,48] -> probabilities float32 [B,7].

    Args:
        predictor: called once, with the [V*B,1,48,48] views of a batch.
        views: the views, or the name of a set in `views.VIEWS`.
        space: `probability` or `logit`, in which the mean is taken.

    Raises:
        ValueError: unknown name or space, or no view at all.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    def __init__(self, predictor: Predictor, views: str | Sequence[View], space: str = "probability"):
        super().__init__()
        self.predictor = predictor
        self.views = views_named(views) if isinstance(views, str) else tuple(views)
        self.space = space_named(space, self.views)
        if not self.views:
            raise ValueError("test-time augmentation needs at least one view")

    def by_view(self, faces: Tensor) -> Tensor:
        """Faces [B,1,48,48] -> probabilities of each view, float32 [V,B,7]."""
        warped = torch.cat([warp(faces, view) for view in self.views])  # [V*B,1,48,48], view after view
        return self.predictor(warped).unflatten(0, (len(self.views), -1))  # [V,B,7]

    def forward(self, faces: Tensor) -> Tensor:
        return mean_over(self.by_view(faces), self.space)


class Ensemble(nn.Module):
    """The weighted mean of the members' probabilities, faces [B,1,48,48] -> float32 [B,7].

    Args:
        members: M predictors, which may differ in input size and channels: each has its own preprocessing.
        weights: one weight >= 0 per member, of any sum; None for equal ones.
        temperatures: what each member's probabilities are tempered with before the mean; None for none.

    Raises:
        ValueError: no member, or weights or temperatures that do not fit.
    """

    def __init__(
        self,
        members: Sequence[nn.Module],
        weights: Sequence[float] | None = None,
        temperatures: Sequence[float] | None = None,
    ):
        super().__init__()
        if not members:
            raise ValueError("an ensemble needs at least one member")
        self.members = nn.ModuleList(members)
        self.weights = _weights(weights, len(members))
        self.temperatures = _temperatures(temperatures, len(members))

    def forward(self, faces: Tensor) -> Tensor:
        # One member at a time into a running sum: M stacked results would only be summed again.
        return mean_of((member(faces) for member in self.members), self.weights, self.temperatures)


class Specialised(nn.Module):
    """A predictor with a second stage for pairs that it confuses: faces [B,1,48,48] -> float32 [B,7].

    Args:
        base: what says which two classes a face is between.
        pairs: of each specialist, the two classes that it tells apart.
        specialists: predictors, as many.
    """

    def __init__(self, base: nn.Module, pairs: Sequence[tuple[int, int]], specialists: Sequence[nn.Module]):
        super().__init__()
        self.base, self.pairs, self.specialists = base, list(pairs), nn.ModuleList(specialists)

    def forward(self, faces: Tensor) -> Tensor:
        return resplit(self.base(faces), self.pairs, (specialist(faces) for specialist in self.specialists))


class WithPriors(nn.Module):
    """A predictor for other shares of the classes: faces [B,1,48,48] -> float32 [B,7].

    Args:
        predictor: faces -> probabilities.
        factors: of `inference.priors.factors`, float32 [7].
    """

    factors: Tensor

    def __init__(self, predictor: nn.Module, factors: Tensor):
        super().__init__()
        self.predictor = predictor
        self.register_buffer("factors", factors)

    def forward(self, faces: Tensor) -> Tensor:
        weighed = self.predictor(faces) * self.factors
        return weighed / weighed.sum(1, keepdim=True).clamp_min(torch.finfo(weighed.dtype).tiny)


def resplit(base: Tensor, pairs: Sequence[tuple[int, int]], answers: Iterable[Tensor]) -> Tensor:
    """Probabilities [B,7] with p_a + p_b split anew as a specialist's answer [B,7] does, one for each pair (a, b).

    Only where a and b are the two most probable classes of `base`; all other probabilities stay as they are.
    """
    likeliest = base.topk(2).indices.sort(1).values  # [B,2]; of `base` alone, so that no specialist routes for another
    split = base.clone()
    for pair, specialist in zip(pairs, answers, strict=True):
        here = (likeliest == torch.tensor(sorted(pair), device=base.device)).all(1, keepdim=True)  # [B,1]
        own, theirs = base[:, pair], specialist[:, pair]  # [B,2]
        share = theirs / theirs.sum(1, keepdim=True).clamp_min(torch.finfo(theirs.dtype).tiny)
        split[:, pair] = torch.where(here, own.sum(1, keepdim=True) * share, split[:, pair])
    return split


def mean_over(by_view: Tensor, space: str) -> Tensor:
    """Probabilities of V views [V,...,7] -> of the face, [...,7], rows sum to 1.

    In `logit` space the mean of log-probabilities, normalised: the softmax of the mean logits, for log-probabilities
    are logits less a number that is the same for all classes.
    """
    if space == SPACES[0]:
        return by_view.mean(0)
    return by_view.clamp_min(torch.finfo(by_view.dtype).tiny).log().mean(0).softmax(-1)


def mean_of(probabilities: Iterable[Tensor], weights: Sequence[float], temperatures: Sequence[float]) -> Tensor:
    """M times probabilities [B,7], each at its temperature, as their weighted mean [B,7]; weights sum to 1."""
    scaled = (w * temper(p, t) for w, t, p in zip(weights, temperatures, probabilities, strict=True))
    return functools.reduce(torch.add, scaled)


def temper(probabilities: Tensor, temperature: float) -> Tensor:
    """Probabilities [B,7] at a temperature: the softmax of the logits over it (Guo et al. 2017, arXiv:1706.04599)."""
    if temperature == 1:
        return probabilities
    return (probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log() / temperature).softmax(-1)


def _weights(weights: Sequence[float] | None, members: int) -> list[float]:
    weights = [1.0] * members if weights is None else list(weights)
    if len(weights) != members or min(weights) < 0 or sum(weights) <= 0:
        raise ValueError(f"expected {members} weights >= 0 of positive sum, got {weights}")
    return [float(w) / sum(weights) for w in weights]


def _temperatures(temperatures: Sequence[float] | None, members: int) -> list[float]:
    temperatures = [1.0] * members if temperatures is None else [float(t) for t in temperatures]
    if len(temperatures) != members or min(temperatures) <= 0:
        raise ValueError(f"expected {members} temperatures above 0, got {temperatures}")
    return temperatures


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
    for start in track(range(0, len(pixels), rows), "batches"):
        # np.array copies: a memory-mapped store is read-only, which torch cannot express.
        batch = pixels[start : start + rows]
        batch = torch.from_numpy(np.array(batch)) if isinstance(batch, np.ndarray) else batch
        found = forward(batch.unsqueeze(1).to(device)).float().cpu().numpy()  # [rows,1,48,48] in
        if not np.isfinite(found).all():  # argmax would call them the first class
            raise FerlabError(
                f"the net answers NaN or infinity for some of the faces {start} to {start + len(batch) - 1}; its "
                "weights are damaged or too large: train it again, with a lower lr or trainer.precision=32-true"
            )
        parts.append(found)
    return parts


def device_of(name: str) -> torch.device:
    """`auto`, `cpu` or `cuda` as what is there, made ready; raises FerlabError for another name, or a missing GPU."""
    if name not in ("auto", "cpu", "cuda"):
        raise FerlabError(f"device is {name!r}; choose auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise FerlabError("device is 'cuda' and torch finds none here; type device=cpu")
    if name != "cpu" and torch.cuda.is_available():
        return torch.device("cuda")
    heap.ready()
    return torch.device("cpu")
