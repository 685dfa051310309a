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
    assert words.readable(["a", "b"]) == "a\nb"
    assert words.readable({"a": 1}) == '{\n  "a": 1\n}'
