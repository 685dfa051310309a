"""Maps on registered faces -> shares of attribution by region, and verdicts on the poster's reading.

Faces of FER2013 are registered, so that a face is roughly centred and of one size, but not aligned by landmarks. We
drew the boxes on the mean training face: its eyes lie at row 17, columns 15 and 33, its nose ends at row 30, its mouth
lies at row 37. A single face may be off by several pixels, a turned one by more, so only means over faces are used.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from ferlab.images import SIDE
from ferlab.studies.explanation_record import Claim, Densities, Interval

# (top, bottom, left, right) in pixels, bottom and right excluded; no two regions share a pixel.
BOXES: dict[str, tuple[tuple[int, int, int, int], ...]] = {
    "brows": ((8, 13, 7, 22), (8, 13, 26, 41)),
    "eyes": ((13, 21, 7, 21), (13, 21, 27, 41)),
    "nose": ((13, 22, 21, 27), (22, 32, 16, 32)),
    "mouth": ((32, 45, 13, 35),),
}
REST = "rest"  # forehead, cheeks, chin, hair, background

# expression -> regions that carry the prediction according to the poster (Khanzada et al. 2020, arXiv:2004.11823).
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

    1 is the density of a uniform map. Only values above 0, which speak for the class, count. The density of a map
    [48,48] without any is NaN.
    """
    positive = np.maximum(np.asarray(maps, np.float64), 0)
    total = positive.sum((1, 2))
    total[total == 0] = np.nan
    return {name: positive[:, mask].sum(1) / total / mask.mean() for name, mask in masks().items()}


def densities(by_region: Mapping[str, np.ndarray], seed: int) -> Densities | None:
    """Mean density by region with its 95 % bootstrap interval over faces; None without a face.

    Args:
        by_region: what `density` gave for the faces of one expression; faces with NaN are left out.
    """
    held = ~np.isnan(by_region[REST])
    if not held.any():
        return None
    return Densities(int(held.sum()), **{name: interval(values[held], seed) for name, values in by_region.items()})


def interval(values: np.ndarray, seed: int) -> Interval:
    """Mean of values [N] with its 95 % bootstrap interval (percentiles); of one value that value alone."""
    mean = float(values.mean())
    if len(values) == 1:  # scipy refuses it
        return Interval(mean, mean, mean)
    rng = np.random.default_rng(seed)
    found = stats.bootstrap((values,), np.mean, vectorized=True, n_resamples=_DRAWS, method="percentile", rng=rng)
    return Interval(mean, *map(float, found.confidence_interval))


def verdict(by_region: Mapping[str, np.ndarray], named: Sequence[str], seed: int) -> Claim:
    """What the densities of one expression say of the claim that the net looks at the regions `named`.

    The difference is the mean density of the named regions minus that of the other parts of the face (not of the
    rest), face by face. `supported`: its 95 % interval lies above 0, and so does each named region's above 1, the
    density of a uniform map. `partly`: the first alone. `contradicted`: the interval of the difference lies below 0.
    `undecided`: it holds 0, or there are fewer than two faces.
    """
    held = ~np.isnan(by_region[REST])
    others = [name for name in BOXES if name not in named]
    n = int(held.sum())
    if n < 2:
        return Claim(list(named), others, n, None, "undecided")
    ours = np.mean([by_region[name][held] for name in named], axis=0)
    theirs = np.mean([by_region[name][held] for name in others], axis=0)
    difference = interval(ours - theirs, seed)
    if difference.high < 0:
        outcome = "contradicted"
    elif difference.low <= 0:
        outcome = "undecided"
    else:
        above = all(interval(by_region[name][held], seed).low > 1 for name in named)
        outcome = "supported" if above else "partly"
    return Claim(list(named), others, n, difference, outcome)
