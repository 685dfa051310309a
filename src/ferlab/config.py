"""What a config may build, and its nodes as plain values."""

import inspect
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue

from ferlab.errors import FerlabError

_ROOT = Path(__file__).resolve().parents[2]
# From a checkout the user edits conf/ beside src/; from a wheel it is the package ferlab.conf. A console script
# finds neither by a relative path.
CONF = str(_ROOT / "conf") if (_ROOT / "conf" / "train.yaml").is_file() else "pkg://ferlab.conf"

# Hydra refuses os.system and the like, but not torch.load, open or getattr: only these libraries may be named.
_MAY_BUILD = ("ferlab.nets.", "albumentations.", "torch.nn.", "torch.optim.")


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
