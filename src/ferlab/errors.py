"""The one exception that means "what you gave is wrong", not "ferlab is wrong"."""

import difflib
from collections.abc import Iterable


class FerlabError(Exception):
    """Wrong input. The message names what was expected, what was found and what to type next.

    Commands print it as one line without a traceback and exit with status 1.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: the known one that is nearest to it, or nothing."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
