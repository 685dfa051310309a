"""Numbers and values in words."""

import pytest

from ferlab.pages import words


@pytest.mark.parametrize(
    ("value", "digits", "expected"), [(0.7321, 1, "73.2"), (0.5, 2, "50.00"), (None, 1, "–"), (1, 0, "100")]
)
def test_a_ratio_is_percent_and_what_is_unknown_a_dash(value, digits, expected):
    assert words.percent(value, digits) == expected


def test_intervals_lists_and_nested_values_are_readable():
    assert words.ends((0.71, 0.74)) == "71.0–74.0"
    assert words.ends(None) == "–"
    assert words.listed([0, 1]) == "0, 1"
    assert words.listed("none") == "none"
    assert words.readable(["a", "b"]) == "a, b"
    assert words.readable([[1, 2], [3]]) == "1, 2; 3"
    assert words.readable({"a": 1, "b": None, "c": True}) == "a 1, b null, c true"


def test_a_nested_config_is_told_by_the_keys_that_are_typed():
    config = {"lr": 0.1, "model": {"input": {"size": 48}, "hidden": []}, "policy": [{"p": 0.5}, {"p": 1}], "x": [1, 2]}
    assert dict(words.flat(config)) == {
        "lr": "0.1", "model.input.size": "48", "model.hidden": "", "policy.0.p": "0.5", "policy.1.p": "1", "x": "1, 2",
    }  # fmt: skip


def test_views_are_words():
    assert words.views("none", 1) == "a single view"
    assert words.views("views12", 12) == "twelve views (views12)"
    assert words.views("mine", 7) == "7 views (mine)"
    assert words.view((False, (0.0, 0.0), 1.0, 0.0)) == "as it is"
    assert (
        words.view((True, (2.0, -2.0), 1.05, -4.0))
        == "mirrored, shifted 2, -2 pixels, zoomed 1.05 times, turned -4 degrees"
    )
