"""Words of a command line: a value so that it can be typed, the paths that a typed one names, and what is printed.

`main` is the script `ferlab`.
"""

import ast
import glob
import importlib.util
import io
import os
import re
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from ferlab.errors import nearest

_PLAIN = re.compile(r"[A-Za-z./_][\w./+*?%@-]*", re.ASCII)  # Hydra takes it without quotes, and as a text
_PREFIX = "ferlab-"  # of the scripts of the commands
# The first word is a command, and the script of that command completes the others, as Hydra's own function does it.
_BASH = """\
_ferlab() {
  if [ "$COMP_CWORD" = 1 ]; then COMPREPLY=($(compgen -W "NAMES" -- "$2")); return; fi
  local name=ferlab-${COMP_WORDS[1]} line=ferlab-${COMP_LINE#*ferlab }
  COMPREPLY=($(compgen -W "$(COMP_LINE=$line COMP_POINT=${#line} $name -sc query=bash 2>/dev/null)" -- "$2"))
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
complete -o nospace -o default -F _ferlab ferlab"""
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


def main() -> None:
    """`ferlab NAME WORDS` is `python -m ferlab.NAME WORDS`; without a name it lists the commands."""
    scripts = {one.name.removeprefix(_PREFIX): one for one in entry_points(group="console_scripts")
               if one.name.startswith(_PREFIX)}  # fmt: skip
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in scripts:
        sys.argv = [str(Path(sys.argv[0]).with_name(_PREFIX + name)), *sys.argv[2:]]
        sys.exit(scripts[name].load()())
    if name == "completion":
        print(_BASH.replace("NAMES", " ".join(scripts)))
    elif name in ("-h", "--help"):
        print("ferlab COMMAND ...; ferlab COMMAND --help lists its keys\n")
        for one in sorted(scripts):
            print(f"  {one:<12}{_sentence(scripts[one])}")
        print('\neval "$(ferlab completion)" lets bash complete commands, keys and choices.')
    else:
        sys.exit(f"ferlab: there is no command {name}; did you mean {nearest(name, scripts) or 'ferlab --help'}?")


def _sentence(script: EntryPoint) -> str:
    """What a command does: the first sentence of its file, which is not imported."""
    found = importlib.util.find_spec(script.module)
    words = ast.get_docstring(ast.parse(Path(found.origin).read_text("utf-8"))) if found and found.origin else None
    return re.sub("^`.*?`: ", "", (words or "").partition("\n\n")[0].replace("\n", " ").partition(". ")[0].rstrip("."))
