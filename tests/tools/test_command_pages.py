"""The pages of the commands, compared with what Hydra composes."""

import functools
import re

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ferlab.config import CONF
from tools import command_pages

PAGES = command_pages.pages()
COMMANDS = sorted(name.removesuffix(".md") for name in PAGES if name not in ("predict.md", "sweeps.md", "choices.md"))


def test_there_is_a_page_for_each_command():
    assert {"train", "evaluate", "compare", "publish"} <= set(COMMANDS)
    assert "command" not in COMMANDS
    assert "--annotated FOLDER" in PAGES["predict.md"]
    assert "outputs/sweeps/DATE" in PAGES["sweeps.md"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_has_each_key_that_hydra_composes_and_its_default(command):
    with initialize_config_dir(CONF, version_base="1.3"):
        composed = _plain(compose(command))
    found = {key.name: key for key in command_pages.keys(command_pages.CONF / f"{command}.yaml")}
    groups = set(command_pages.GROUPS)
    assert {name for name in found if "." not in name} - groups == set(composed) - groups
    for name, key in found.items():
        assert f'<span id="{name}"></span>`{name}`' in PAGES[f"{command}.md"]
        if name not in groups and key.default not in ("", "..."):
            value = functools.reduce(lambda node, part: node[part], name.split("."), composed)
            assert _plain(OmegaConf.create(f"here: {key.default}"))["here"] == value, name


def _plain(node):
    return OmegaConf.to_container(node, resolve=False)


def test_each_key_has_a_meaning_and_a_note_stands_above_the_keys_that_it_is_of():
    found = {key.name: key for key in command_pages.keys(command_pages.CONF / "train.yaml")}
    assert all(key.meaning for key in found.values())
    assert found["lr"].meaning == "highest learning rate"
    assert found["class_weights"].note == "Targets and loss."
    assert found["lr"].note == ""
    assert found["trainer.max_epochs"].default == "150"
    assert "none | frozen" not in PAGES["train.md"]  # a bar would be a column of a table


def test_each_choice_is_a_line_with_its_comment():
    text = PAGES["choices.md"]
    for group in command_pages.GROUPS:
        for file in (command_pages.CONF / group).glob("[!_]*.yaml"):
            assert f"[`{group}={file.stem}`](../../conf/{group}/{file.name})\n:   " in text
    assert re.search(r"data=fer2013`\]\(.*\)\n:   FER2013 with its official splits", text)
