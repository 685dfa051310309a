"""Maps on aligned faces in, shares of attribution by region out, and what they say of the poster's reading.

Faces of FER2013 are registered so that a face is roughly centred and fills about the same space; they are not aligned
by landmarks. The boxes were drawn on the mean of its training faces, whose eyes lie at row 17, columns 15 and 33, whose
nose ends at row 30 and whose mouth lies at row 37. A single face may be off by several pixels, a turned one by more, so
only means over many faces are read.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferlab.images import SIDE

# (top, bottom, left, right) in pixels, bottom and right excluded; no two regions share a pixel.
BOXES: dict[str, tuple[tuple[int, int, int, int], ...]] = {
    "brows": ((8, 13, 7, 22), (8, 13, 26, 41)),
    "eyes": ((13, 21, 7, 21), (13, 21, 27, 41)),
    "nose": ((13, 22, 21, 27), (22, 32, 16, 32)),
    "mouth": ((32, 45, 13, 35),),
}
REST = "rest"  # forehead, cheeks, chin, hair, background

# expression -> regions that the poster says the net looks at (Khanzada et al. 2020, arXiv:2004.11823).
CLAIMS: dict[str, tuple[str, ...]] = {
    "disgust": ("mouth", "nose"),
    "happy": ("mouth",),
    "surprise": ("eyes", "nose"),
    "neutral": ("brows", "eyes", "mouth"),  # "all parts of the face except for the nose"
}
_DRAWS = 2000  # of a bootstrap


def masks() -> dict[str, np.ndarray]:
    """Region -> bool [48,48]; with `REST` they cover the face once."""
    found = {name: np.zeros((SIDE, SIDE), bool) for name in BOXES}
    for name, boxes in BOXES.items():
        for top, bottom, left, right in boxes:
            found[name][top:bottom, left:right] = True
    return found | {REST: ~np.logical_or.reduce(list(found.values()))}


def density(maps: np.ndarray) -> dict[str, np.ndarray]:
    """Share of each face's attribution in a region over the region's share of the face, float64 [N] by region.

    1 is what a map that knows nothing gives. Only what speaks for the class (values above 0) counts; a map [N,48,48]
    without any is NaN.
    """
    positive = np.maximum(np.asarray(maps, np.float64), 0)
    total = positive.sum((1, 2))
    total[total == 0] = np.nan
    return {name: positive[:, mask].sum(1) / total / mask.mean() for name, mask in masks().items()}


def table(by_region: Mapping[str, np.ndarray], seed: int) -> dict[str, Any] | None:
    """Mean density by region with its 95 % bootstrap interval over faces, and n; None without a face.

    Args:
        by_region: what `density` gave for the faces of one expression; faces with NaN are left out.
    """
    held = ~np.isnan(by_region[REST])
    if not held.any():
        return None
    return {"n": int(held.sum())} | {name: interval(values[held], seed) for name, values in by_region.items()}


def interval(values: np.ndarray, seed: int) -> dict[str, float]:
    """Mean of values [N] with its 95 % bootstrap interval."""
    picks = np.random.default_rng(seed).integers(len(values), size=(_DRAWS, len(values)))
    low, high = np.percentile(values[picks].mean(1), (2.5, 97.5))
    return {"mean": float(values.mean()), "low": float(low), "high": float(high)}


def verdict(by_region: Mapping[str, np.ndarray], named: Sequence[str], seed: int) -> dict[str, Any]:
    """What the densities of one expression say of the claim that the net looks at the regions `named`.

    The difference is the mean density of the named regions minus that of the other parts of the face (not of the
    rest), face by face. `supported`: its 95 % interval lies above 0, and so does each named region's above 1, a map
    that knows nothing. `partly`: the first alone. `contradicted`: the interval of the difference lies below 0.
    `undecided`: it holds 0, or there are fewer than two faces.
    """
    held = ~np.isnan(by_region[REST])
    others = [name for name in BOXES if name not in named]
    result: dict[str, Any] = {"named": list(named), "others": others, "n": int(held.sum())}
    if held.sum() < 2:
        return result | {"difference": None, "verdict": "undecided"}
    ours = np.mean([by_region[name][held] for name in named], axis=0)
    theirs = np.mean([by_region[name][held] for name in others], axis=0)
    difference = interval(ours - theirs, seed)
    if difference["high"] < 0:
        said = "contradicted"
    elif difference["low"] <= 0:
        said = "undecided"
    else:
        above = all(interval(by_region[name][held], seed)["low"] > 1 for name in named)
        said = "supported" if above else "partly"
    return result | {"difference": difference, "verdict": said}
