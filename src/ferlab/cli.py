"""What every command shares: where conf/ lies, what a config may build, and how an error reaches who typed it."""

import functools
import importlib
import inspect
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
from hydra.errors import CompactHydraException, InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue

from ferlab.errors import FerlabError

log = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parents[2]
# From a checkout the user edits conf/ beside src/; from a wheel it is the package ferlab.conf. A console script
# finds neither by a relative path.
CONF = str(_ROOT / "conf") if (_ROOT / "conf" / "train.yaml").is_file() else "pkg://ferlab.conf"

# Hydra refuses os.system and the like, but not torch.load, open or getattr: only these libraries may be named.
_MAY_BUILD = ("ferlab.nets.", "albumentations.", "torch.nn.", "torch.optim.")

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


def plain(node: Any) -> Any:
    """A config node as dicts, lists and scalars, interpolations resolved: what constructors and files are given.

    Raises:
        FerlabError: a value that has to be typed is missing, or an interpolation leads nowhere.
    """
    if not OmegaConf.is_config(node):
        return node
    try:
        return OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise FerlabError(f"type {error.full_key}=VALUE; there is no default") from error
    except InterpolationResolutionError as error:
        reason = str(error).splitlines()[0]
        raise FerlabError(reason.removeprefix("FerlabError raised while resolving interpolation: ")) from error


def build(node: DictConfig | dict, **kwargs: Any) -> Any:
    """Construct what `node._target_` names, with the node's other keys and `kwargs` as arguments.

    Raises:
        FerlabError: the target is no class of the libraries that a config may build from, anywhere in the node, or
            does not take the arguments.
    """
    node = plain(node)
    for target in _targets(node):
        if not _is_class_that_may_be_built(target):
            raise FerlabError(f"_target_ is {target!r}; a config may build only classes of {', '.join(_MAY_BUILD)}")
    try:
        return hydra.utils.instantiate(node, **kwargs, _convert_="all")
    except InstantiationException as error:
        raise FerlabError(" ".join(str(error).split())) from error


def _is_class_that_may_be_built(target: Any) -> bool:
    if not isinstance(target, str) or not target.startswith(_MAY_BUILD):
        return False
    try:
        found = hydra.utils.get_object(target)
    except Exception:  # no such module or name
        return False
    # A name's beginning is not enough: torch.nn.modules.module.torch.load is torch.load.
    return inspect.isclass(found) and f"{found.__module__}.".startswith(_MAY_BUILD)


def _targets(node: Any) -> list[Any]:
    if isinstance(node, dict):
        own = [node["_target_"]] if "_target_" in node else []
        return own + [t for value in node.values() for t in _targets(value)]
    if isinstance(node, list):
        return [t for value in node for t in _targets(value)]
    return []
