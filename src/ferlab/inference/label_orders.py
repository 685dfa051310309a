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
    "rafdb": ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"),  # Li et al. 2017, CVPR
    "ck_plus": ("neutral", "anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise"),  # Lucey et al. 2010
    "ckextended": (*EXPRESSIONS, "contempt"),  # Kaggle's ckextended.csv, of CK+
}
FIRST = {"rafdb": 1}  # the number of an order's first class, where it is not 0
Order = str | Sequence[str]  # one of LABEL_ORDERS, or the names of the classes from number 0 on


def labels_of(order: Order) -> tuple[str, ...]:
    """The class names of an order, as it spells them.

    Raises:
        FerlabError: there is no such order, or a list of names that are not the seven expressions, each once.
    """
    if isinstance(order, str):
        if order not in LABEL_ORDERS:
            raise FerlabError(
                f"label order is {order!r}; choose one of {', '.join(LABEL_ORDERS)}, or list the names of the classes "
                "from number 0 on"
            )
        return LABEL_ORDERS[order]
    known = [index_of(str(name)) for name in order]
    if sorted(k for k in known if k is not None) != list(range(len(EXPRESSIONS))):
        raise FerlabError(f"label order is {list(order)}; expected {', '.join(EXPRESSIONS)}, each once, in any order")
    return tuple(map(str, order))


def numbers_of(order: Order) -> range:
    """The numbers of an order's classes."""
    first = FIRST.get(order, 0) if isinstance(order, str) else 0
    return range(first, first + len(labels_of(order)))


def columns(source: Order, wanted: Order) -> list[int | None]:
    """For each class of the order `wanted` its place in the order `source`, None where that has no such class."""
    places = {index_of(name): i for i, name in enumerate(labels_of(source))}
    return [places.get(index_of(name)) for name in labels_of(wanted)]


def reorder(probabilities: np.ndarray, source: Order, wanted: Order) -> np.ndarray:
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


def renumber(labels: Sequence[int] | np.ndarray, source: Order, wanted: Order) -> np.ndarray:
    """Class numbers [N] of one order as int64 [N] of another; -1 for a class that it has not.

    Raises:
        FerlabError: a number is none of the order `source`.
    """
    values, numbers = np.asarray(labels), numbers_of(source)
    if len(values) and (values.dtype.kind not in "iu" or values.min() < numbers[0] or values.max() > numbers[-1]):
        raise FerlabError(f"expected whole class numbers {numbers[0]} to {numbers[-1]} for the label order {source}")
    table = np.full(len(numbers), -1)
    for new, old in zip(numbers_of(wanted), columns(source, wanted), strict=True):
        if old is not None:
            table[old] = new
    return table[values.astype(np.int64) - numbers[0]]
