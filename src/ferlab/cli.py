"""What every command shares: where conf/ lies, what a config may build, and how an error reaches who typed it."""

import functools
import importlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from ferlab.config import CONF
from ferlab.errors import FerlabError

log = logging.getLogger(__name__)


# ${gpu:4} is which of 4 GPUs a sweep's job may see (docs/sweeps.md).
OmegaConf.register_new_resolver("gpu", lambda gpus: str(HydraConfig.get().job.num % int(gpus)), replace=True)


def _required(words: str) -> None:
    raise FerlabError(f"type {words}; there is no default")


# ${required:"KEY=VALUE"} is a value that has to be typed. With `???` OmegaConf would keep a default of the same key.
OmegaConf.register_new_resolver("required", _required, replace=True)


def command(
    config_name: str, at_end: Callable[[], None] = lambda: None
) -> Callable[[Callable[[DictConfig], Any]], Callable[[], Any]]:
    """Make `task(cfg)` a command configured by conf/`config_name`.yaml.

    A `FerlabError` becomes one line on stderr and exit status 1. In a sweep the jobs after a failed one still run,
    and each failure stands in the log, which Hydra 1.3 itself leaves out. `at_end` is called when the command is over,
    however it ends, in the process where it was typed.
    """

    def wrap(task: Callable[[DictConfig], Any]) -> Callable[[], Any]:
        run = hydra.main(version_base="1.3", config_path=CONF, config_name=config_name)(_Task(task))

        @functools.wraps(task)
        def start() -> None:
            try:
                run()
            finally:
                at_end()

        return start

    return wrap


class _Task:
    """A command's function as Hydra calls it, which travels to the processes of launchers by its name.

    They would pickle a function of the module that was typed, `__main__`, by value, with all that it refers to, and not
    all of torch can be pickled.
    """

    def __init__(self, function: Callable[[DictConfig], Any]):
        self.function = function
        spec = getattr(sys.modules.get(function.__module__), "__spec__", None)
        self.__module__, self.__name__ = spec.name if spec else function.__module__, function.__name__

    def __call__(self, cfg: DictConfig) -> Any:
        try:
            return self.function(cfg)
        except FerlabError as error:
            if HydraConfig.get().mode is RunMode.RUN:
                sys.exit(f"ferlab: {error}")  # Hydra would add three lines of its own
            log.error("%s", error)
            raise CompactHydraException(f"ferlab: {error}") from None
        except Exception:
            log.exception("this job failed")
            raise

    def __reduce__(self) -> tuple[Any, ...]:
        found = getattr(sys.modules[self.function.__module__], self.__name__, None)
        if getattr(found, "__wrapped__", None) is self.function:
            return _named, (self.__module__, self.__name__)
        return _Task, (self.function,)


def _named(module: str, name: str) -> _Task:
    return _Task(getattr(importlib.import_module(module), name).__wrapped__)


def job() -> dict[str, Any]:
    """What was typed for the job that runs: `words` that start it alone, `experiment`, and in a sweep its `sweep` and
    `launcher`. Empty where no command was typed, as in a test or a notebook."""
    if not HydraConfig.initialized():
        return {}
    typed = HydraConfig.get()
    found = {"words": [*_flags(typed), *typed.overrides.task], "experiment": typed.runtime.choices.get("experiment")}
    if typed.mode is RunMode.MULTIRUN:
        found |= {"sweep": Path(typed.sweep.dir).name, "launcher": typed.runtime.choices["hydra/launcher"]}
    return found


def line(config: DictConfig) -> list[str]:
    """The words that start the command of a config (with its node `hydra`), without its overrides."""
    return ["python", "-m", f"ferlab.{config.hydra.job.config_name}", *_flags(config.hydra)]


def jobs(config: DictConfig) -> list[list[str]]:
    """Overrides of each job that a typed sweep will make, in order; none where that is found out on the way."""
    if config.hydra.runtime.choices["hydra/sweeper"] != "basic":
        return []
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    params = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    overrides = parser.parse_overrides([*params, *config.hydra.overrides.task])
    return [list(job) for batch in BasicSweeper.split_arguments(overrides, None) for job in batch]


def _flags(hydra_config: DictConfig) -> list[str]:
    sources = [source for source in hydra_config.runtime.config_sources if source.provider == "command-line"]
    return [word for source in sources for word in ("--config-dir", source.path)]
