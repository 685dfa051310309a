"""What README and the pages of docs/ tell the reader to type: commands, keys, choices and targets exist, Python runs.

A block that is not run says why in an HTML comment above it: <!-- not run: REASON -->.
"""

import contextlib
import copy
import functools
import io
import json
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import cv2
import jupytext
import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig
from PIL import Image
from torch import nn

from ferlab import predict
from ferlab.config import CONF, typed

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / f"{place}README.md" for place in ("", "data/", "web/", "zoo/", "results/", "examples/")]
PAGES += [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "docs").rglob("*.py"))]
PAGES = [page for page in PAGES if page.is_file()]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.search(r"^\.PHONY: (.*)", MAKEFILE, re.M)[1].split())
EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
FENCED = re.compile(r"(?P<why><!-- not run: [^>]+ -->\n+)?^```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$", re.M | re.S)
LINE = re.compile(
    r"(\w+=\S+ )*(python -m (ferlab|benchmarks|tools)\.|ferlab(-\w+)? |make |pip install |torchrun |srun )"
)
# Words in the place of others that every reader has to replace: no command of that name, another machine's plugin.
FREE = re.compile(r"python -m \w+\.(NAME|X)\b|ferlab NAME|hydra/launcher=ray")
# Words with a `=` between backticks that are no key of a file in conf/: of Hydra, layouts, W&B and Python.
NOT_CONF = {"n_jobs", "crop", "label_order", "leaks", "sweep", "launcher", "color"}
# Their programs take seconds, on a trained run or for an export.
LONG = {"docs/field.md"}


def text_of(name: str) -> str:
    """A page in Markdown; of a tutorial its cells."""
    page = ROOT / name
    return page.read_text() if page.suffix == ".md" else jupytext.writes(jupytext.read(page), "md")


def blocks(name: str, *languages: str) -> list[str]:
    """Blocks of code of a page in these languages, without those that say why they are not run."""
    found = FENCED.finditer(text_of(name))
    return [match["text"] for match in found if match["language"] in languages and not match["why"]]


def prose(name: str) -> str:
    return FENCED.sub("", text_of(name))


def spans(name: str) -> list[str]:
    """What stands between backticks."""
    return [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose(name))]


def commands(name: str) -> list[str]:
    """Each line of a page that is typed into a shell: of fenced and indented blocks, and between backticks."""
    lines = [line for block in blocks(name, "", "bash") for line in block.splitlines()]
    lines += [line.strip() for line in re.findall(r"^    [^\n]*", prose(name), re.M)] + spans(name)
    return [line for line in dict.fromkeys(lines) if LINE.match(line) and not FREE.search(line)]


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


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with what the pages' programs read, and names that they take for granted."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    people = ROOT / "docs/pictures/people.jpg"
    for name in ("photo.jpg", "a.jpg"):
        shutil.copy(people, name)
    video = cv2.VideoWriter("clip.mp4", cv2.VideoWriter_fourcc(*"mp4v"), 10, (320, 240))
    for _ in range(3):
        video.write(cv2.resize(cv2.imread(str(people)), (320, 240)))
    video.release()
    net = nn.Sequential(nn.Flatten(), nn.Linear(48 * 48, 7))
    with people.open("rb") as file, people.open("rb") as upload:
        yield {
            "json": json,
            "file": file,
            "upload": upload,
            "image": Image.open(people),
            "net": net,
            "pictures": [people],
        }


PROGRAMS = [name for name in NAMES if name.endswith(".md") and blocks(name, "python")]
WITH_A_RUN = [name for name in PROGRAMS if "outputs/NAME" in "".join(blocks(name, "python"))]
WITHOUT = [name for name in PROGRAMS if name not in WITH_A_RUN]


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in WITHOUT])
def test_the_programs_of_a_page_run(name, place):
    for block in blocks(name, "python"):
        exec(compile(block, name, "exec"), place)


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_A_RUN)
def test_the_programs_of_a_page_run_on_a_run(name, place, own_run):
    own_run.rename("outputs/NAME")
    for block in blocks(name, "python"):
        exec(compile(block, name, "exec"), place)
