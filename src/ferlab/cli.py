"""What every command shares: where conf/ lies, what a config may build, and how an error reaches who typed it."""

import functools
import inspect
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException, InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from ferlab.errors import FerlabError

log = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parents[2]
# From a checkout the user edits conf/ beside src/; from a wheel it is the package ferlab.conf. A console script
# finds neither by a relative path.
CONF = str(_ROOT / "conf") if (_ROOT / "conf" / "train.yaml").is_file() else "pkg://ferlab.conf"

# Hydra refuses os.system and the like, but not torch.load, open or getattr: only these libraries may be named.
_MAY_BUILD = ("ferlab.nets.", "albumentations.", "torch.nn.", "torch.optim.")


def command(config_name: str) -> Callable[[Callable[[DictConfig], Any]], Callable[[], Any]]:
    """Make `task(cfg)` a command configured by conf/`config_name`.yaml.

    A `FerlabError` becomes one line on stderr and exit status 1. In a sweep the jobs after a failed one still run,
    and each failure stands in the log, which Hydra 1.3 itself leaves out.
    """

    def wrap(task: Callable[[DictConfig], Any]) -> Callable[[], Any]:
        @hydra.main(version_base="1.3", config_path=CONF, config_name=config_name)
        @functools.wraps(task)
        def run(cfg: DictConfig) -> Any:
            try:
                return task(cfg)
            except FerlabError as error:
                if HydraConfig.get().mode is RunMode.RUN:
                    sys.exit(f"ferlab: {error}")  # Hydra would add three lines of its own
                log.error("%s", error)
                raise CompactHydraException(f"ferlab: {error}") from None
            except Exception:
                log.exception("this job failed")
                raise

        return run

    return wrap


def plain(node: Any) -> Any:
    """A config node as dicts, lists and scalars, interpolations resolved: what constructors and files are given."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


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
