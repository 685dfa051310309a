"""The seven expressions in FER2013's order, and their names in other data sets.

This is the only list of class names: column k of targets and of logits, and label k of an exported model, mean
`EXPRESSIONS[k]`.
"""

from collections.abc import Sequence

from ferlab.errors import FerlabError

EXPRESSIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
K = len(EXPRESSIONS)

# FER+ votes in the column order of fer2013new.csv, as expressions; contempt, unknown and NF (not a face) have none.
FERPLUS_COLUMNS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)

_ALIASES = {
    "angry": ("anger", "an", "ang"),
    "disgust": ("disgusted", "di", "dis"),
    "fear": ("fearful", "afraid", "scared", "fe", "fea"),
    "happy": ("happiness", "joy", "ha", "hap"),
    "sad": ("sadness", "sa"),
    "surprise": ("surprised", "su", "sur"),
    "neutral": ("neutrality", "calm", "ne", "neu"),
}
_INDEX = {name: k for k, e in enumerate(EXPRESSIONS) for name in (e, *_ALIASES[e])}

# Classes of other data sets that FER2013 lacks; their faces are left out and counted.
NO_EXPRESSION = ("contempt", "contemptuous", "unknown", "nf", "ambiguous")


def check_order(found: Sequence[str] | None, where: object) -> None:
    """Raise FerlabError where the classes of the model `where` are not `EXPRESSIONS` in this order.

    None passes: runs from before this was recorded had no other order.
    """
    if found is not None and (not isinstance(found, list | tuple) or list(found) != list(EXPRESSIONS)):
        order = ", ".join(map(str, found)) if isinstance(found, list | tuple) else found
        raise FerlabError(
            f"{where} answers in the order {order}; expected {', '.join(EXPRESSIONS)}: train, "
            "convert or export it in this order"
        )


def index_of(name: str) -> int | None:
    """Column of an expression by any known name (`happy`, `Happiness`, `HA`, `3 happy`); None for `contempt`.

    Raises:
        FerlabError: no known data set has an expression of this name.
    """
    word = name.strip().lower().lstrip("0123456789").lstrip(" _-.")
    if word in _INDEX:
        return _INDEX[word]
    if word in NO_EXPRESSION:
        return None
    raise FerlabError(f"{name!r} is no expression; expected one of {', '.join(EXPRESSIONS)} or a known alias of one")
