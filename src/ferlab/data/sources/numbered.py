"""Class numbers in any order in, labels out, held against published counts: a wrong order raises no other error."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ferlab.data.faces import SPLITS
from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.inference.label_orders import LABEL_ORDERS, Order, numbers_of, renumber

log = logging.getLogger(__name__)

# Faces of each of `EXPRESSIONS` in train, val and test.
PUBLISHED = {
    "FER2013": np.array(
        [
            (3995, 436, 4097, 7215, 4830, 3171, 4965),
            (467, 56, 496, 895, 653, 415, 607),
            (491, 55, 528, 879, 594, 416, 626),
        ]
    ),
    "RAF-DB": np.array([(705, 717, 281, 4772, 1982, 1290, 2524), [0] * 7, (162, 160, 74, 1185, 478, 329, 680)]),
}
_LOG_SHARES = np.log(PUBLISHED["FER2013"].sum(0) / PUBLISHED["FER2013"].sum())
# Nats by which another order must explain the counts better; 1,000 of FER2013's faces numbered alphabetically give 22.
_CLEARLY = 20


def labels_of(path: Path, numbers: np.ndarray, split: np.ndarray, order: Order | None) -> tuple[np.ndarray, bool]:
    """(labels int64 [N], -1 for classes that FER2013 lacks; whether their counts are published) of class numbers [N].

    Splits of a published size must have the published counts. Other sizes whose counts clearly fit another order are a
    warning.

    Args:
        path: what is read, for messages.
        split: codes uint8 [N].
        order: None for FER2013's.

    Raises:
        FerlabError: no such order, a number outside it, the counts are published ones in another order, or as
            `refuse_exchanged`.
    """
    stated = "fer2013" if order is None else order
    labels = renumber(numbers, stated, "fer2013")
    counts = _counts(labels, split)
    if _as_published(counts):
        return labels, True
    refuse_exchanged(path, labels, split)
    others = {
        name: _counts(renumber(numbers, name, "fer2013"), split)
        for name in LABEL_ORDERS
        if name != stated and set(np.unique(numbers).tolist()) <= set(numbers_of(name))
    }
    for name, found in others.items():
        if published := _as_published(found):
            raise FerlabError(
                f"{path}: by {published}'s published counts its labels are numbered in the order {name}, and they were "
                f"read in the order {stated}; give data.label_order={name}"
            )
    if order is None:
        _warn_of_shares(path, counts, others)
    return labels, False


def _warn_of_shares(path: Path, counts: np.ndarray, others: Mapping[str, np.ndarray]) -> None:
    """Warn where the shares of the classes are FER2013's in another order rather than in its own."""
    likely = {name: float(found.sum(0) @ _LOG_SHARES) for name, found in others.items() if found.sum() == counts.sum()}
    best = max(likely, key=likely.__getitem__, default="")
    if best and likely[best] - float(counts.sum(0) @ _LOG_SHARES) > _CLEARLY:
        log.warning(
            "%s: its shares of the classes are like FER2013's if its labels are numbered in the order %s, and less so "
            "in the order fer2013; if they are, give data.label_order=%s",
            *(path, best, best),
        )


def refuse_exchanged(path: Path, labels: np.ndarray, split: np.ndarray) -> None:
    """Warn of a test that is both of FER2013's; `labels` and `split` as `labels_of` has them.

    Raises:
        FerlabError: val is FER2013's PrivateTest and test its PublicTest, by their counts.
    """
    (_, val, test), (_, public, private) = _counts(labels, split), PUBLISHED["FER2013"]
    if np.array_equal(val, private) and np.array_equal(test, public):
        raise FerlabError(
            f"{path}: by FER2013's published counts its val is PrivateTest and its test is PublicTest; exchange the two"
        )
    if not val.any() and np.array_equal(test, public + private):
        log.warning(
            "%s: by FER2013's published counts its test is PublicTest and PrivateTest together; no published "
            "accuracy compares with it. Take fer2013.csv, or images with the names of their splits",
            path,
        )


def _counts(labels: np.ndarray, split: np.ndarray) -> np.ndarray:
    """Faces of each split and class, int [3,7]."""
    return np.stack([np.bincount(labels[(split == s) & (labels >= 0)], minlength=K) for s in range(len(SPLITS))])


def _as_published(counts: np.ndarray) -> str | None:
    """The data set of which there are splits of full size that all have its counts."""
    for name, published in PUBLISHED.items():
        full = (counts.sum(1) == published.sum(1)) & (counts.sum(1) > 0)
        if full.any() and (counts[full] == published[full]).all():
            return name
    return None
