"""The one exception that means "what you gave is wrong", not "ferlab is wrong"."""


class FerlabError(Exception):
    """Wrong input. The message names what was expected, what was found and what to type next.

    Commands print it as one line without a traceback and exit with status 1.
    """
