"""What a stranger reads first: README is short, its links and lines work, and one version stands everywhere."""

import json
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
import torch
import yaml

import ferlab
from ferlab import Predictor, predict
from ferlab.config import build
from tests.composing import composed
from tests.test_conf import COMMANDS, typed

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(not (ROOT / "README.md").is_file(), reason="no checkout")


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def command_lines(text: str) -> list[list[str]]:
    """The words of each `python -m ferlab.X` in a block or between backticks, without what stands before."""
    found = re.findall(r"python -m (ferlab\.[^\n`]*)", text)
    return [shlex.split(line, comments=True) for line in found]


def test_readme_fits_two_minutes(readme):
    """Words are those that a reader sees: without tags, targets of links and the marks of tables and code."""
    shown = re.sub(r"<[^>]*>|\]\([^)]*\)|```\w*|\|[ :|-]*(?=\n)|[|#*`\[]", " ", readme)
    assert len(readme.splitlines()) <= 150
    assert len(shown.split()) <= 900
    assert readme.count("<picture>") >= 3


def test_every_link_and_picture_of_readme_is_there(readme):
    targets = re.findall(r"\]\(([^):#]+)(?:#[^)]*)?\)|(?:src|srcset)=\"([^\"]+)\"", readme)
    lost = [name for pair in targets for name in pair if name and not (ROOT / name).exists()]
    assert len(targets) > 20
    assert lost == []


def test_every_picture_of_readme_is_light_and_dark(readme):
    for picture in re.findall(r"<picture>.*?</picture>", readme):
        (light,) = re.findall(r"src=\"([^\"]+)\"", picture)
        dark = re.sub(r"(-light)?(?=[.]\w+$)", "-dark", light, count=1)
        assert f'(prefers-color-scheme: dark)" srcset="{dark}"' in picture


def test_every_command_of_readme_composes(readme):
    lines = command_lines(readme)
    assert len(lines) >= 8
    for name, *words in lines:
        command = name.removeprefix("ferlab.")
        if command != "predict" and "--help" not in words:
            assert command in COMMANDS
            composed(*words, command=command)


def test_every_make_target_of_readme_is_there(readme):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))
    wanted = set(re.findall(r"(?:^|`|and )make ([a-z0-9-]+)", readme, re.M))
    assert {"demo", "test", "web", "paper"} <= wanted <= targets


def test_the_snippets_of_readme_work(readme, monkeypatch, tmp_path, capsys):
    reading, own_net = blocks(readme, "python")
    assert all(len([line for line in block.splitlines() if line]) <= 5 for block in (reading, own_net))
    monkeypatch.chdir(ROOT)
    exec(compile(reading, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    faces = Predictor()("docs/pictures/people.jpg")
    assert printed == "".join(f"{face.label} {face.confidence} {face.detection.box}\n" for face in faces)
    assert len(faces) == 3
    (tmp_path / "my_nets.py").write_text(own_net)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)  # the tutorials', of another test
    monkeypatch.setenv("FERLAB_ALLOW", "my_nets")
    (words,) = [line[1:] for line in command_lines(readme) if "model.name=tiny" in line]
    net = build(composed(*words)["model"]["net"])
    assert net(torch.zeros(2, 1, 48, 48)).shape == (2, 7)


def test_the_line_of_readme_is_what_predict_prints(readme, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert predict.main(["docs/pictures/people.jpg"]) == 0
    (line,) = re.findall(r"^# (docs/pictures/people.jpg .*)$", readme, re.M)
    assert line.split() in [printed.split() for printed in capsys.readouterr().out.splitlines()]


@pytest.mark.slow
def test_the_lines_of_readme_train_and_measure_drawn_faces(readme, tmp_path):
    (block,) = [block for block in blocks(readme, "bash") if "ferlab.prepare data=fer2013" in block]
    small = {
        "prepare": ["data.n_train=70", "data.n_val=70", "data.n_test=70"],
        "train": ["data.n_train=70", "data.n_val=70", "data.n_test=70", "trainer.max_epochs=1", "wandb=off"],
    }
    for name, *words in command_lines(block.replace("fer2013", "drawn")):
        words += small.get(name.removeprefix("ferlab."), [])
        done = typed("-m", name, *words, cwd=tmp_path, FERLAB_DATA=str(tmp_path / "data"))
        assert done.returncode == 0, done.stderr


def test_one_version_stands_everywhere():
    packages = json.loads((ROOT / "web" / "package-lock.json").read_text())
    stated = [
        yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"],
        tomllib.loads((ROOT / "zoo" / "pyproject.toml").read_text())["project"]["version"],
        json.loads((ROOT / "web" / "package.json").read_text())["version"],
        packages["version"],
        packages["packages"][""]["version"],
    ]
    assert stated == [ferlab.__version__] * 5
