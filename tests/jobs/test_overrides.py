"""Overrides are read back by Hydra's own parser."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from ferlab.jobs.overrides import flat, listed, words


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        0.05,
        1e-4,
        "none",
        "fer2013+aux",
        "outputs/a b/it's, [x]=1",
        "ü",
        *("12", "true", "a\\", "a\\'"),
        ["none", "flip"],
    ],
)
def test_hydra_reads_the_value_back(value):
    (word,) = words({"key": value})
    read = OverridesParser.create().parse_override(word).value()
    assert getattr(read, "text", read) == value
    assert type(getattr(read, "text", read)) is type(value)


def test_what_a_list_has_twice_stands_there_once():
    assert words({"runs": ["b", "a", "b"], "each": True}) == ["runs=[b,a]", "each=true"]


def test_nested_keys_become_dotted_ones():
    assert flat({"trainer": {"max_epochs": 1, "deep": {"a": []}}, "lr": 0.1}) == {
        "trainer.max_epochs": 1,
        "trainer.deep.a": [],
        "lr": 0.1,
    }
    assert [listed(value) for value in (None, "a", ["a", "b"], 0)] == [[], ["a"], ["a", "b"], [0]]
