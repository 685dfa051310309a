"""What a net is trained towards: weights of the classes, smoothing, mixtures of faces, and a teacher's share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from ferlab.errors import FerlabError
from ferlab.expressions import K

CLASS_WEIGHTS = ("none", "balanced", "effective")


@dataclass(frozen=True)
class Targets:
    """The targets of a step, beside those that come with its faces.

    Attributes:
        class_weights: of the loss, float32 [7].
        label_smoothing: share of each target spread evenly over the classes.
        mix: (faces, targets) -> the same, mixed among the batch (mixup, cutmix), or None.
        teacher: predicts in each step for the very faces that the net gets, augmented and mixed (Beyer et al. 2022,
            arXiv:2106.05237), and is no part of what is saved; None: the targets are the data's.
        teacher_share: of the teacher's probabilities in each target; the rest is the target of the data.
    """

    class_weights: Tensor
    label_smoothing: float
    mix: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None
    teacher: nn.Module | None
    teacher_share: float


def class_weights(kind: str, counts: Sequence[float] | np.ndarray, beta: float = 0.999) -> Tensor:
    """Loss weight of each class, float32 [K], from the training targets' sums; their mean over faces is 1.

    `balanced` is inverse to a class's number of faces; `effective` inverse to its effective number
    (1 - beta^n) / (1 - beta) (Cui et al. 2019, arXiv:1901.05555).

    Raises:
        FerlabError: unknown kind, a beta outside [0, 1), or a class without faces, whose weight would be infinite.
    """
    n = torch.as_tensor(counts, dtype=torch.float64)
    if not 0 <= beta < 1:
        raise FerlabError(f"class_weights_beta is {beta}; expected a number from 0 to below 1, as 0.999")
    if kind not in CLASS_WEIGHTS:
        raise FerlabError(f"class_weights is {kind!r}; choose {', '.join(CLASS_WEIGHTS)}")
    if kind == "none":
        return torch.ones(len(n))
    if (n <= 0).any():
        empty = [int(k) for k in torch.nonzero(n <= 0)]
        raise FerlabError(f"class_weights={kind} needs every class in training; none of class {empty}; use none")
    effective = n if kind == "balanced" else (1 - beta**n) / (1 - beta)
    weights = 1 / effective
    return (weights * n.sum() / (weights * n).sum()).float()


def learned_priors(shares: np.ndarray, weights: Tensor, tau: float) -> list[float]:
    """The shares of the classes that a net's probabilities take for granted once it is trained, seven of sum 1.

    Args:
        shares: of the classes among the training targets, float64 [7].
        weights: of the classes in the loss, float32 [7]; tau: logit_adjustment.
    """
    found = np.where(shares > 0, np.power(np.maximum(shares, 1e-12), 1 - tau), 0) * weights.double().numpy()
    return [float(f"{share:.6g}") for share in found / found.sum()]


def mixing(mixup: float, cutmix: float) -> nn.Module | None:
    """Mixup and cutmix with these alphas, one of the two in each batch where both are above 0; None without either."""
    kinds = [(v2.MixUp, mixup), (v2.CutMix, cutmix)]
    chosen = [kind(alpha=alpha, num_classes=K) for kind, alpha in kinds if alpha > 0]
    return v2.RandomChoice(chosen) if chosen else None
