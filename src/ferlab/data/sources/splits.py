"""Groups of faces in, split codes out: train, val and test by hash, as far as a data set has no splits of its own."""

import hashlib
from collections.abc import Sequence

import numpy as np

from ferlab.data.faces import SPLITS
from ferlab.errors import FerlabError

SHARE = 0.1  # of the groups, for val and again for test, by default


def divide(
    stated: np.ndarray,
    groups: Sequence[str | bytes],
    split: str | None,
    seed: int,
    val_share: float = SHARE,
    test_share: float = SHARE,
) -> np.ndarray:
    """Split codes, uint8 [N], of faces with a stated split [N] each, or -1 each, in `groups` that never part.

    `split` puts all faces into one. Stated splits stay; val or test, where no face states it, is a share of train's
    groups, one at least. Groups are ordered by a hash of the seed and the group, so that neither their order nor their
    number's spelling matters.

    Raises:
        FerlabError: no such split, stated splits of some faces only, too few groups to divide, or shares that leave
            none to train on.
    """
    if split is not None:
        if split not in SPLITS:
            raise FerlabError(f"split is {split!r}; choose one of {', '.join(SPLITS)}, or leave it out")
        return np.full(len(groups), SPLITS.index(split), np.uint8)
    lacking = [code for code in (1, 2) if not (stated == code).any()]
    if (stated < 0).any() and (stated >= 0).any():
        raise FerlabError(f"{(stated < 0).sum()} of {len(stated)} faces have no split; expected one for each or none")
    codes = np.maximum(stated, 0).astype(np.uint8)
    train = np.flatnonzero(codes == 0)
    if not lacking or not len(train):
        return codes
    shares = [share if code in lacking else 0 for code, share in ((1, val_share), (2, test_share))]
    codes[train] = _cut([groups[int(i)] for i in train], seed, shares)
    return codes


def _cut(groups: Sequence[str | bytes], seed: int, shares: Sequence[float]) -> np.ndarray:
    """Split codes of groups of which these shares are val and test; one at least of each share above 0."""
    distinct = set(groups)
    parts = 1 + sum(share > 0 for share in shares)
    if len(distinct) < parts:
        raise FerlabError(
            f"found {len(distinct)} different subjects or faces; a split needs {parts}. Give split: train"
        )

    def place(group: str | bytes) -> bytes:
        data = group if isinstance(group, bytes) else group.encode()
        return hashlib.sha256(f"{seed}:".encode() + data).digest()

    ordered = sorted(distinct, key=place)
    val, test = (max(1, round(len(ordered) * share)) if share > 0 else 0 for share in shares)
    if val + test >= len(ordered):
        raise FerlabError(f"val_share {shares[0]} and test_share {shares[1]} leave none of {len(ordered)} to train on")
    code = dict.fromkeys(ordered, 0) | dict.fromkeys(ordered[:val], 1) | dict.fromkeys(ordered[val : val + test], 2)
    return np.array([code[group] for group in groups], np.uint8)
