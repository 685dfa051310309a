"""conf/: where it lies, the help of a command, nodes as plain values, and what a node may build."""

import inspect
import os
import re
import textwrap
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import hydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue

from ferlab import values
from ferlab.errors import FerlabError, in_a_line, nearest
from ferlab.files import Config as Config

_ROOT = Path(__file__).resolve().parents[2]
# In a checkout the user edits conf/ beside src/; in a wheel it is the package ferlab.conf.
CONF = str(_ROOT / "conf" if (_ROOT / "conf" / "train.yaml").is_file() else Path(__file__).with_name("conf"))

# Hydra refuses os.system and the like, but not torch.load, open or getattr: only these libraries may be named.
_MAY_BUILD = ("ferlab.nets.", "albumentations.", "torch.nn.", "torch.optim.")
ALLOW = "FERLAB_ALLOW"  # environment variable: modules of the user whose classes a config may build too, with commas

_WIDTH = 120  # characters of a line of help, as in conf/


def _required(words: str) -> NoReturn:
    raise FerlabError(f"type {words}; there is no default")


# ${required:"KEY=VALUE"} is a value that has to be typed: with `???` OmegaConf would keep a default of the same key.
OmegaConf.register_new_resolver("required", _required, replace=True)
OmegaConf.register_new_resolver("home", os.path.expanduser, replace=True)  # for what Hydra reads itself


def help_of(command: str) -> str:
    """The help of a command, from its file in conf/: the purpose, examples, every key with default and comment."""
    head, _, rest = (Path(CONF) / f"{command}.yaml").read_text().partition("defaults:\n")
    defaults, _, keys = rest.partition("\n\n")
    lines = [line.removeprefix("# ") for line in head.strip().splitlines()]
    examples = [f"  {line}" for line in lines if line.startswith("python -m")]
    purpose = [line for line in lines if not line.startswith("python -m")]
    first = ""
    for name, default, comment in re.findall(r"^  - (?!command\b|_self_\b)(\w+)(?:: (\S+))?(.*)$", defaults, re.M):
        if default:
            choices = textwrap.fill(" | ".join(_choices(name)), _WIDTH, initial_indent="# ", subsequent_indent="# ")
            first += f"{choices}\n{name}: {default}{comment}\n"
        else:  # keys that several commands share; their comment follows a line `#`
            first += (Path(CONF) / f"{name}.yaml").read_text().partition("\n#\n")[2]
    keys = keys.partition("\nhydra:\n")[0]
    own = "-m makes a job of each combination, --cfg job prints the config of a line, --hydra-help lists Hydra's flags."
    return "\n".join([*purpose, "", *examples, "", f"{first}\n{keys.rstrip()}".lstrip(), "", own])


def _choices(group: str) -> list[str]:
    return sorted(file.stem for file in Path(CONF, group).glob("[!_]*.yaml"))


def plain(node: Any) -> Any:
    """A config node as dicts, lists and scalars, interpolations and `~/` resolved, for constructors and files.

    Raises:
        FerlabError: a value that has to be typed is missing, or an interpolation leads nowhere.
    """
    if not OmegaConf.is_config(node):
        return node
    try:
        return _at_home(OmegaConf.to_container(node, resolve=True, throw_on_missing=True))
    except MissingMandatoryValue as error:
        raise FerlabError(f"type {error.full_key}=VALUE; there is no default") from error
    except InterpolationResolutionError as error:
        reason = str(error).splitlines()[0]
        raise FerlabError(reason.removeprefix("FerlabError raised while resolving interpolation: ")) from error


def typed(command: str, cfg: DictConfig) -> Config:
    """The config of a command as it was typed, resolved; raises as `plain` and `values.check`."""
    config: Config = plain(cfg)
    values.check(config, keys_of(command))
    return config


def refuse_no_choice(words: Iterable[str]) -> None:
    """Raises FerlabError for GROUP=null or GROUP= among typed words, where Hydra ends with a traceback."""
    for word in words:
        group, given, choice = word.partition("=")
        if given and choice in ("", "null") and group.isidentifier() and Path(CONF, group).is_dir():
            raise FerlabError(f"{word} chooses nothing; leave it out, or choose {', '.join(_choices(group))}")


@cache
def keys_of(command: str) -> frozenset[str]:
    """The keys that a command reads: those of its file in conf/, of the files in its defaults list, and its groups."""
    file: Any = OmegaConf.load(Path(CONF) / f"{command}.yaml")
    keys = {str(key) for key in file} - {"defaults", "hydra"}
    for entry in file.get("defaults", ()):
        if OmegaConf.is_dict(entry):
            keys |= {str(group) for group in entry}
        elif entry != "_self_":
            keys |= keys_of(entry)
    return frozenset(keys)


def _at_home(node: Any) -> Any:
    """With the home folder for `~`, which a shell expands in none of KEY=~/x, an env file and an IDE."""
    if isinstance(node, dict):
        return {key: _at_home(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_at_home(value) for value in node]
    return os.path.expanduser(node) if isinstance(node, str) and re.match("~(/|$)", node) else node


def build(node: DictConfig | dict) -> Any:
    """Construct what `node._target_` names, with the node's other keys as arguments and those of `_args_` by place.

    Hydra's instantiate would resolve interpolations once more, and so build what nobody has checked.

    Raises:
        FerlabError: anywhere in the node a target is no class of the libraries that a config may build from or does
            not take its arguments, or a value holds an interpolation.
    """
    node = plain(node)
    if not isinstance(node, dict) or "_target_" not in node:
        raise FerlabError(f"found {node!r}; expected _target_ with the name of a class, and its arguments")
    return _built(node)


def _built(node: Any) -> Any:
    if isinstance(node, list):
        return [_built(value) for value in node]
    if isinstance(node, str) and "${" in node:  # in a run that somebody else has written
        raise FerlabError(f"found {node!r} in a resolved config; expected a plain value: give a run that train wrote")
    if not isinstance(node, dict):
        return node
    if "_target_" not in node:
        return {key: _built(value) for key, value in node.items()}
    target = node["_target_"]
    if not _is_class_that_may_be_built(target):
        mend = f"a config may build only classes of {', '.join(_may_build())}"
        raise FerlabError(f"_target_ is {target!r}; {mend}; of a module that you trust: {ALLOW}=MODULE")
    args = _built(node.get("_args_", []))
    kwargs = {key: _built(value) for key, value in node.items() if key not in ("_target_", "_args_")}
    found = hydra.utils.get_class(target)
    try:
        # albumentations only warns of an argument that it does not know, and goes on without it.
        inspect.signature(found).bind(*args, **kwargs)
        return found(*args, **kwargs)
    except FerlabError:
        raise
    except Exception as error:  # whatever a constructor raises: the arguments are the user's
        raise FerlabError(f"{target}: {in_a_line(error)}{_meant(kwargs, found)}") from error


def _meant(kwargs: dict[Any, Any], found: type) -> str:
    """The arguments that may have been meant by those that a class does not take."""
    known = list(inspect.signature(found).parameters)
    near = [nearest(str(key), known) for key in kwargs if key not in known]
    return "".join(f"; did you mean {name}?" for name in near if name)


def _may_build() -> tuple[str, ...]:
    own = os.environ.get(ALLOW, "").replace(",", " ").split()
    return (*_MAY_BUILD, *(f"{module}." for module in own))


def _is_class_that_may_be_built(target: Any) -> bool:
    if not isinstance(target, str) or not target.startswith(_may_build()):
        return False
    try:
        found = hydra.utils.get_object(target)
    except Exception as error:  # no such module or name
        if target.startswith(_MAY_BUILD):
            return False
        raise FerlabError(f"_target_ is {target!r}, which {ALLOW} allows, but: {in_a_line(error)}") from error
    # A name's beginning is not enough: torch.nn.modules.module.torch.load is torch.load.
    return inspect.isclass(found) and f"{found.__module__}.".startswith(_may_build())
