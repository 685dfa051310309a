"""A step's gradient enters, the gradient at the worst point near the weights leaves.

Foret et al. 2021, "Sharpness-Aware Minimization for Efficiently Improving Generalization" (arXiv:2010.01412): the
optimiser steps along the gradient taken at w + rho g / |g|, where g is the batch's gradient at w. Each step costs two.

Deliberate difference: batch norms' running statistics are those of the pass at w alone, which is what is validated.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def at_the_worst_near(net: nn.Module, rho: float) -> Iterator[None]:
    """Within, the weights stand rho up the gradient that they hold; after, all but the gradients is as it was."""
    weights: list[Tensor] = [p for p in net.parameters() if p.grad is not None]
    kept = [*weights, *net.buffers()]
    with torch.no_grad():
        before = [tensor.clone() for tensor in kept]
        gradients = [p.grad for p in weights if p.grad is not None]
        scale = rho / torch.nn.utils.get_total_norm(gradients).clamp(min=1e-12)
        torch._foreach_add_(weights, torch._foreach_mul(gradients, scale))
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(kept, before, strict=True):
                tensor.copy_(value)
