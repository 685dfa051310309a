"""Faces warped into a view, in torch."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ferlab.predictors.views import View


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
