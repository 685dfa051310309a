"""Groups of faces in, split codes out: train, val and test by hash for data sets that have no splits."""

import hashlib
from collections.abc import Sequence

import numpy as np

from ferlab.data.faces import SPLITS
from ferlab.errors import FerlabError

SHARE = 0.1  # of the groups, for val and again for test, by default


def by_group(
    groups: Sequence[str | bytes], split: str | None, seed: int, val_share: float = SHARE, test_share: float = SHARE
) -> np.ndarray:
    """Split codes, uint8 [N], for faces whose subject (or other group) is `groups[i]`: equal groups, equal split.

    These shares of the groups, at least one each, are val and test. Groups are ordered by a hash of the seed and the
    group, so that neither their order nor their number's spelling matters. `split` puts all faces into one.

    Raises:
        FerlabError: no such split, fewer than three groups to divide, or shares that leave none to train on.
    """
    if split is not None:
        if split not in SPLITS:
            raise FerlabError(f"split is {split!r}; choose one of {', '.join(SPLITS)}, or leave it out")
        return np.full(len(groups), SPLITS.index(split), np.uint8)
    distinct = set(groups)
    if len(distinct) < len(SPLITS):
        raise FerlabError(f"found {len(distinct)} different subjects or faces; a split needs 3. Give split: train")

    def place(group: str | bytes) -> bytes:
        data = group if isinstance(group, bytes) else group.encode()
        return hashlib.sha256(f"{seed}:".encode() + data).digest()

    ordered = sorted(distinct, key=place)
    val, test = (max(1, round(len(ordered) * share)) for share in (val_share, test_share))
    if val + test >= len(ordered):
        raise FerlabError(f"val_share {val_share} and test_share {test_share} leave none of {len(ordered)} to train on")
    code = dict.fromkeys(ordered, 0) | dict.fromkeys(ordered[:val], 1) | dict.fromkeys(ordered[val : val + test], 2)
    return np.array([code[group] for group in groups], np.uint8)
