"""Class numbers and probabilities in one published order of the expressions in, in another out.

Inside ferlab only FER2013's order is used, that of `EXPRESSIONS`. A mistake between two orders raises no error: the
probabilities look right and have the wrong names.
"""

from collections.abc import Sequence

import numpy as np

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, FERPLUS_COLUMNS, index_of

LABEL_ORDERS: dict[str, tuple[str, ...]] = {
    "fer2013": EXPRESSIONS,
    "ferplus": FERPLUS_COLUMNS[:8],  # Barsoum et al. 2016, arXiv:1608.01041; FER2013 lacks its last, contempt
    # Mollahosseini et al. 2017, arXiv:1708.03985
    "affectnet": ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt"),
    # the order of class folders in Keras and torchvision's ImageFolder
    "alphabetical": tuple(sorted(EXPRESSIONS)),
    # face-api.js, faceExpressionNet
    "face-api": ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"),
}


def labels_of(order: str) -> tuple[str, ...]:
    """The class names of an order, as it spells them.

    Raises:
        FerlabError: there is no such order.
    """
    if order not in LABEL_ORDERS:
        raise FerlabError(f"label order is {order!r}; choose one of {', '.join(LABEL_ORDERS)}")
    return LABEL_ORDERS[order]


def columns(source: str, wanted: str) -> list[int | None]:
    """For each class of the order `wanted` its place in the order `source`, None where that has no such class."""
    places = {index_of(name): i for i, name in enumerate(labels_of(source))}
    return [places.get(index_of(name)) for name in labels_of(wanted)]


def reorder(probabilities: np.ndarray, source: str, wanted: str) -> np.ndarray:
    """Probabilities (or targets, or votes) [N,K] in one order -> [N,K'] in another, rows of the sum they had.

    A class that only `wanted` has gets 0. The share of a class that only `source` has goes to the others in their
    proportion; votes, which are whole numbers, are then float64.

    Raises:
        FerlabError: another number of columns than the order has, or a row has nothing but such a class.
    """
    values, names = np.asarray(probabilities), labels_of(source)
    if values.ndim != 2 or values.shape[1] != len(names):
        raise FerlabError(f"expected [N,{len(names)}] for the label order {source}, found {list(values.shape)}")
    places = columns(source, wanted)
    out = np.stack([np.zeros(len(values), values.dtype) if c is None else values[:, c] for c in places], 1)
    lost = values[:, sorted(set(range(len(names))) - set(places))].sum(1, keepdims=True)
    left = out.sum(1, keepdims=True)
    nothing = np.flatnonzero((lost > 0) & (left <= 0))
    if len(nothing):
        raise FerlabError(f"row {nothing[0]} has only classes that {wanted} lacks; leave it out")
    if not lost.any():
        return out
    shared = out * (1 + lost / np.where(left > 0, left, 1))
    return shared.astype(values.dtype) if values.dtype.kind == "f" else shared  # whole numbers would be cut off


def renumber(labels: Sequence[int] | np.ndarray, source: str, wanted: str) -> np.ndarray:
    """Class numbers [N] of one order as int64 [N] of another; -1 for a class that it has not.

    Raises:
        FerlabError: a number is none of the order `source`.
    """
    values, count = np.asarray(labels), len(labels_of(source))
    if values.dtype.kind not in "iu" or (len(values) and not 0 <= values.min() <= values.max() < count):
        raise FerlabError(f"expected whole class numbers 0 to {count - 1} for the label order {source}")
    table = np.full(count, -1)
    for new, old in enumerate(columns(source, wanted)):
        if old is not None:
            table[old] = new
    return table[values]
