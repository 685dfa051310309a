"""How a command starts and ends: its help, its config, how an error reaches who typed it, and the script `ferlab`.

The functions import Hydra, not the module: without the extra [train] a command names in one line what to install.
"""

import ast
import contextlib
import functools
import importlib.util
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferlab import commandline
from ferlab.errors import FerlabError, nearest
from ferlab.files import Config, refusal, shown

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)


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
_EXTRAS = {"captum": "train,explain", "saliency": "train,explain", "skimage": "train,explain"}  # of all others: train
_ends = contextlib.ExitStack()  # of the command that runs


def command(name: str) -> Callable[[Callable[[Config], Any]], Callable[[], None]]:
    """Make `task(config)` a command configured by conf/`name`.yaml.

    A `FerlabError` becomes one line on stderr and exit status 1. In a sweep the jobs after a failed one still run,
    and each failure stands in the log, which Hydra 1.3 itself leaves out.
    """

    def wrap(task: Callable[[Config], Any]) -> Callable[[], None]:
        @functools.wraps(task)
        def start() -> None:
            with ending(), _ends:
                import hydra

                from ferlab import config

                sys.argv[1:] = map(commandline.at_home, sys.argv[1:])
                if {"-h", "--help"} & set(sys.argv[1:]):
                    print(config.help_of(name))
                else:
                    config.refuse_no_choice(sys.argv[1:])
                    hydra.main(version_base="1.3", config_path=config.CONF, config_name=name)(
                        _Task(task, functools.partial(config.typed, name))
                    )()

        return start

    return wrap


def at_end(callback: Callable[[BaseException | None], None]) -> None:
    """Call back when the command is over, in the process where it was typed, with the exception that ends it."""
    _ends.push(lambda kind, error, trace: callback(error))


@contextlib.contextmanager
def ending() -> Iterator[None]:
    """End the process in one line where the user can mend it, and without a word where nobody reads its output.

    Raises:
        SystemExit: status 1, or 130 after Ctrl-C.
    """
    commandline.escape_output()
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("ferlab: stopped by Ctrl-C", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more
        sys.exit(1)
    except Exception as error:
        if (reason := _reason(error)) is None:
            raise
        sys.exit(f"ferlab: {shown(reason)}")


@dataclass(frozen=True)
class _Task:
    """A command's function as Hydra calls it and launchers pickle it.

    `typed` is that of ferlab.config with the command's name: it brings the resolvers of conf/ into every process that
    unpickles the task.
    """

    function: Callable[[Config], Any]
    typed: Callable[["DictConfig"], Config]

    def __call__(self, cfg: "DictConfig") -> Any:
        from hydra.core.hydra_config import HydraConfig
        from hydra.errors import CompactHydraException
        from hydra.types import RunMode

        if HydraConfig.get().mode is RunMode.RUN:
            with ending():  # Hydra would add three lines of its own
                return self.function(self.typed(cfg))
        try:
            return self.function(self.typed(cfg))
        except BrokenPipeError:
            raise
        except Exception as error:
            if (reason := _reason(error)) is None:
                log.exception("this job failed")
                raise
            log.error("%s", reason)
            raise CompactHydraException(f"ferlab: {reason}") from None


def _reason(error: Exception) -> str | None:
    """What who typed the command can mend, in one line; None where ferlab is wrong."""
    if isinstance(error, FerlabError):
        return str(error)
    if isinstance(error, OSError):
        return None if error.errno is None else refusal(error)
    library = (error.name or "ferlab").split(".")[0] if isinstance(error, ModuleNotFoundError) else "ferlab"
    if library == "ferlab":
        return None
    return f"{library} is not installed; type pip install 'ferlab[{_EXTRAS.get(library, 'train')}]'"


def main() -> None:
    """`ferlab NAME WORDS` is `python -m ferlab.NAME WORDS`; without a name it lists the commands."""
    scripts = {one.name.removeprefix(_PREFIX): one for one in entry_points(group="console_scripts")
               if one.name.startswith(_PREFIX)}  # fmt: skip
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in scripts:
        sys.argv = [str(Path(sys.argv[0]).with_name(_PREFIX + name)), *sys.argv[2:]]
        sys.exit(scripts[name].load()())
    with ending():
        if name == "completion":
            print(_BASH.replace("NAMES", " ".join(scripts)))
        elif name in ("-h", "--help"):
            print("ferlab COMMAND ...; ferlab COMMAND --help lists its keys\n")
            for one in sorted(scripts):
                print(f"  {one:<12}{_sentence(scripts[one])}")
            print('\neval "$(ferlab completion)" lets bash complete commands, keys and choices.')
        else:
            raise FerlabError(f"there is no command {name}; did you mean {nearest(name, scripts) or 'ferlab --help'}?")


def _sentence(script: EntryPoint) -> str:
    """What a command does: the first sentence of its file, which is not imported."""
    found = importlib.util.find_spec(script.module)
    words = ast.get_docstring(ast.parse(Path(found.origin).read_text("utf-8"))) if found and found.origin else None
    return re.sub("^`.*?`: ", "", (words or "").partition("\n\n")[0].replace("\n", " ").partition(". ")[0].rstrip("."))
