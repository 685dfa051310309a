"""The one exception that means "what you gave is wrong", not "ferlab is wrong"."""

import difflib
from collections.abc import Iterable


class FerlabError(Exception):
    """Wrong input. The message names what was expected, what was found and what to type next.

    Commands print it as one line without a traceback and exit with status 1.
    """


def in_a_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split())


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is nearest to one that is unknown, or nothing."""
    return "".join(difflib.get_close_matches(word, known, n=1))
