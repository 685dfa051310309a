"""How a command starts and ends: its help, its config, and how an error reaches who typed it.

The functions import Hydra, not the module: without the extra [train] a command names in one line what to install.
"""

import contextlib
import functools
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferlab import commandline
from ferlab.errors import FerlabError
from ferlab.files import Config, refusal, shown

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)


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
