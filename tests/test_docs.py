"""The commands, keys, choices and targets exist that README and the pages of docs/ name."""

import contextlib
import copy
import functools
import io
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from ferlab import predict
from ferlab.config import CONF, typed
from tests.pages_of_docs import NAMES, ROOT, commands, spans

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.search(r"^\.PHONY: (.*)", MAKEFILE, re.M)[1].split())
EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
# Words with a `=` between backticks that are no key of a file in conf/: of Hydra, layouts, W&B and Python.
NOT_CONF = {"n_jobs", "num_cpus", "crop", "label_order", "leaks", "sweep", "launcher", "color"}


def check(line: str) -> None:
    """Raises what is wrong with a typed line."""
    words = shlex.split(line, comments=True)
    words = words[next(number for number, word in enumerate(words) if "=" not in word) :]
    words = words[: next((n for n, word in enumerate(words) if word in ("|", "&&", ";", ">", "&", "...")), None)]
    if words[0] in ("torchrun", "srun"):
        words = ["python", *words[words.index("-m") :]]
    if words[0] == "make":
        assert set(words[1:2]) <= TARGETS, words[1]
        assert all(re.search(rf"\b{word.partition('=')[0]}\b", MAKEFILE) for word in words[2:])
    elif words[:2] == ["pip", "install"]:
        wanted = [extra for word in words for extra in re.findall(r"(?:\.|ferlab)\[(.*)\]", word)]
        assert set(",".join(wanted).split(",")) - {""} <= EXTRAS
    elif words[0] == "python":
        package, name = words[2].split(".")
        of_ferlab(name, words[3:]) if package == "ferlab" else of_script(ROOT / package / f"{name}.py", words[3:])
    else:
        name, *words = re.sub("^ferlab[- ]", "", " ".join(map(shlex.quote, words))).split(" ", 1)
        of_ferlab(name, shlex.split(*words) if words else [])


def of_script(file: Path, words: list[str]) -> None:
    source = file.read_text()
    assert all(f'"{word}"' in source for word in words if word.startswith("--"))


def of_ferlab(name: str, words: list[str]) -> None:
    """Raises what a command would say of its words, before it does anything."""
    assert (ROOT / "src/ferlab" / f"{name}.py").is_file(), name
    if name == "predict":
        with contextlib.redirect_stderr(io.StringIO()):
            predict._arguments(words)
    if not (Path(CONF) / f"{name}.yaml").is_file() or {"--help", "-sc"} & set(words):
        return
    own = "--config-dir" in words
    overrides = OverridesParser.create().parse_overrides([one_of(word) for word in words if "=" in word])
    choices = [one for one in overrides if (Path(CONF) / one.key_or_group).is_dir() or "/" in one.key_or_group]
    values = [one for one in overrides if one not in choices and "hydra" not in one.input_line]
    if own:  # a choice of the user's, which is not here
        choices, values = [], [one for one in values if not one.key_or_group.startswith("model.")]
    found = copy.deepcopy(composed(name, tuple(one.input_line for one in choices)))
    ConfigLoaderImpl._apply_overrides_to_config(values, found)
    typed(name, found)


@functools.cache
def composed(name: str, choices: tuple[str, ...]) -> DictConfig:
    with initialize_config_dir(CONF, version_base="1.3"):
        return compose(name, overrides=list(choices))


def one_of(word: str) -> str:
    """A word with one of the values that a sweep gives it."""
    override = OverridesParser.create().parse_override(word)
    if not override.is_sweep_override():
        return word
    value = next(iter(override.sweep_string_iterator())) if override.is_discrete_sweep() else 0.1
    return f"{override.get_key_element()}={value}"


@pytest.mark.parametrize("name", NAMES)
def test_each_command_of_a_page_exists(name):
    for line in commands(name):
        try:
            check(line)
        except (Exception, SystemExit) as error:
            raise AssertionError(f"{name} says {line!r}: {error!r}") from error


@pytest.mark.parametrize("name", NAMES)
def test_each_key_of_a_page_exists(name):
    known = {key for file in Path(CONF).rglob("*.yaml") for key in re.findall(r"([a-z]\w*):", file.read_text())}
    words = [
        word for span in spans(name) if re.fullmatch(r"(?!hydra)\S+=\S*", span) for word in [span.partition("=")[0]]
    ]
    keys = {word.lstrip("+").split(".")[-1] for word in words if re.fullmatch(r"\+?[a-z_][a-z_.0-9]*", word)}
    assert keys - known - NOT_CONF == set()


def test_what_does_not_exist_is_found():
    for line in (
        "python -m ferlab.trian",
        "python -m ferlab.train lerning_rate=1",
        "python -m ferlab.train model=resnet19",
        "python -m ferlab.train lr=-1",
        "python -m ferlab.train -m +lerning_rate=1,2",
        "ferlab-evaluate each=maybe runs=x",
        "python -m ferlab.predict photo.jpg --outt faces.csv",
        "python -m benchmarks.train_step --repeat 3",
        "python -m benchmarks.gone",
        "make dem",
        "make web PORTT=1",
        "pip install '.[trian]'",
    ):
        with pytest.raises((Exception, SystemExit)):
            check(line)
