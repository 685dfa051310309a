"""conf as a command takes it. Hydra composes a command's choices of groups once; single keys are set in a copy."""

from functools import cache
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from ferlab.config import CONF, Config, plain

GROUPS = {path.name for path in Path(CONF).iterdir() if path.is_dir()}


@cache
def _chosen(command: str, *choices: str) -> DictConfig:
    with initialize_config_dir(CONF, version_base="1.3"):
        return compose(command, overrides=list(choices))


def composed(*words: str, command: str = "train") -> Config:
    """The resolved config that `compose` gives for these words: a composition takes 0.1 s, a copy a tenth of it."""
    overrides = OverridesParser.create().parse_overrides(list(words))
    config = _chosen(command, *(str(o.input_line) for o in overrides if o.key_or_group in GROUPS)).copy()
    ConfigLoaderImpl._apply_overrides_to_config([o for o in overrides if o.key_or_group not in GROUPS], config)
    return plain(config)
