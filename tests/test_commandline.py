"""Values that can be typed whatever they hold, and paths that are what they are called."""

import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from ferlab.commandline import at_home, matching, typed
from ferlab.config import CONF, plain

PATHS = ["outputs/a-s0", "outputs/*-s?", "/abs/best+x.ckpt", "a[1]", "with blank", " x ", "Ümlaut/面", ""]
QUOTES = ["it's", 'say "x"', "both'\"", "a\\", "a\\'", "\\\\'x", "`id`"]
SIGNS = ["a=b", "a,b", "{a}", "(a)", "${oc.env:HOME}", "$HOME", "; id", "#x", "x: y", "!x", "-x", "%d", "a|b&c", "\t"]
NAMES = [*PATHS, *QUOTES, *SIGNS, "12", "1e5", "true", "null", "nan"]


def read(word: str):
    [override] = shlex.split(word)
    with initialize_config_dir(CONF, version_base="1.3"):
        return plain(compose("evaluate", overrides=[override])["runs"])


@pytest.mark.parametrize("name", NAMES)
def test_a_typed_value_is_read_as_that_text(name):
    assert read(typed("runs", name)) == name


def test_a_typed_list_is_read_as_those_texts():
    assert read(typed("runs", NAMES)) == NAMES
    assert typed("runs", ["outputs/a", Path("b")]) == "'runs=[outputs/a,b]'"
    assert typed("runs", Path("outputs/a-s0")) == "runs=outputs/a-s0"  # no quotes where none are needed


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *(("outputs=~/x", "outputs=/me/x"), ("runs=[~/a,~]", "runs=[/me/a,/me]"), ("runs=~/a,~/b", "runs=/me/a,/me/b")),
        *(("a=b~/c", "a=b~/c"), ("~key", "~key"), ("~/x", "~/x"), ("a=~b/c", "a=~b/c"), ("a='~/b'", "a='~/b'")),
    ],
)
def test_the_home_folder_counts_after_each_sign_that_begins_a_value(monkeypatch, word, expected):
    monkeypatch.setenv("HOME", "/me")
    assert at_home(word) == expected
    monkeypatch.setenv("HOME", "/no [text]")
    assert at_home(word) == word


@pytest.mark.parametrize("name", ["a[1]", "a*", "what?", "it's", "a b"])
def test_a_path_that_is_there_is_itself_and_else_a_glob(tmp_path, name):
    for folder in (name, "a1", "ab"):
        (tmp_path / folder).mkdir()
    assert matching(tmp_path / name) == [tmp_path / name]
    assert matching(str(tmp_path / "a[1b]")) == [tmp_path / "a1", tmp_path / "ab"]
    assert matching(tmp_path / "none*") == []
