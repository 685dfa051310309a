"""Words of a command line: a value so that it can be typed, the paths that a typed one names, and what is printed."""

import glob
import io
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

_PLAIN = re.compile(r"[A-Za-z./_][\w./+*?%@-]*", re.ASCII)  # Hydra takes it without quotes, and as a text
_NO_TEXT = ("true", "false", "null", "nan", "inf")


def typed(key: str, value: str | Path | Sequence[str | Path]) -> str:
    """KEY=VALUE as one word for a shell, which Hydra reads as that text or list of texts."""
    if isinstance(value, str | Path):
        return shlex.quote(f"{key}={text(str(value))}")
    return shlex.quote(f"{key}=[{','.join(text(str(one)) for one in value)}]")


def text(value: str) -> str:
    """A text as Hydra reads it back, whatever it holds: in quotes where it would be taken for something else."""
    if _PLAIN.fullmatch(value) and value.lower() not in _NO_TEXT:
        return value
    # Before a quote each backslash is doubled, elsewhere none is; `${` would be an interpolation.
    escaped = re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + ("\\'" if found[2] else ""), value)
    return "'" + escaped.replace("${", "\\${") + "'"


def at_home(word: str) -> str:
    """A word KEY=~/x with the home folder for `~`: shells expand it only where a word begins, and Hydra refuses it."""
    home = os.path.expanduser("~")
    return re.sub(r"(?<=[=\[,])~(?=[/,\]]|$)", home, word) if _PLAIN.fullmatch(home) else word


def matching(pattern: str | Path) -> list[Path]:
    """The paths that a glob names, sorted; what is there by that very name is itself, whatever the name holds."""
    return [Path(pattern)] if os.path.lexists(pattern) else [Path(path) for path in sorted(glob.glob(str(pattern)))]


def escape_output() -> None:
    """Print what a terminal cannot show as escapes, not as an error: file names may hold what is no UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
