"""What was typed: the words that start a job again, and the jobs that a sweep will make."""

from dataclasses import dataclass
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig


@dataclass(frozen=True)
class Typed:
    """What was typed for one job.

    Attributes:
        words: they start the job alone.
        experiment: its recipe, None without one.
        sweep, launcher: names of the sweep's folder and of Hydra's launcher; None outside a sweep.
    """

    words: tuple[str, ...] = ()
    experiment: str | None = None
    sweep: str | None = None
    launcher: str | None = None


def job() -> Typed:
    """What was typed for the job that runs; nothing where no command was typed, as in a test or a notebook."""
    if not HydraConfig.initialized():
        return Typed()
    typed = HydraConfig.get()
    words, experiment = (*_flags(typed), *typed.overrides.task), typed.runtime.choices.get("experiment")
    if typed.mode is not RunMode.MULTIRUN:
        return Typed(words, experiment)
    return Typed(words, experiment, Path(typed.sweep.dir).name, typed.runtime.choices["hydra/launcher"])


def line(config: DictConfig) -> list[str]:
    """The words that start the command of a config (with its node `hydra`), without its overrides."""
    return ["python", "-m", f"ferlab.{config.hydra.job.config_name}", *_flags(config.hydra)]


def jobs(config: DictConfig) -> list[list[str]]:
    """Overrides of each job that a typed sweep will make, in order; none where its sweeper finds them on the way."""
    if config.hydra.runtime.choices["hydra/sweeper"] != "basic":
        return []
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    params = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    overrides = parser.parse_overrides([*params, *config.hydra.overrides.task])
    return [list(job) for batch in BasicSweeper.split_arguments(overrides, None) for job in batch]


def _flags(hydra_config: HydraConf) -> list[str]:
    sources = [source for source in hydra_config.runtime.config_sources if source.provider == "command-line"]
    return [word for source in sources for word in ("--config-dir", source.path)]
