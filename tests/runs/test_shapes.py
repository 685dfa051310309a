"""What is missing in a file or of another type is named, and what is foreign is left alone."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from typing_extensions import TypedDict

from ferlab.errors import FerlabError
from ferlab.runs import shapes
from ferlab.studies.study_record import MeasuredAccuracy

HALF = {"n": 2, "correct": 1, "accuracy": 0.5, "interval95": [0.1, 0.9]}


@dataclass(frozen=True)
class Made:
    clean: MeasuredAccuracy
    by_strength: dict[int, MeasuredAccuracy]
    seconds: float | None = None


def read(content):
    return shapes.read(Made, content, "made.json", "make it anew")


def test_nested_records_and_numbered_keys_are_read():
    found = read({"clean": HALF, "by_strength": {"5": HALF}, "data": "fer2013"})
    assert found == Made(MeasuredAccuracy(**HALF), {5: MeasuredAccuracy(**HALF)})


def test_every_key_that_is_missing_or_of_another_type_is_named():
    less = {key: value for key, value in HALF.items() if key != "correct"}
    with pytest.raises(FerlabError, match=r"made.json lacks clean.correct, by_strength; make it anew"):
        read({"clean": less})
    with pytest.raises(FerlabError, match=r"made.json has another type of clean.n, seconds; make"):
        read({"clean": HALF | {"n": "many"}, "by_strength": {}, "seconds": []})


class Report(TypedDict, total=False):
    split: Literal["val", "test"]
    members: list[str]
    more: dict[str, Any]


@pytest.mark.parametrize("content", [{}, {"split": "val"}, {"members": ["a"], "more": {"a": 1}, "other": None}])
def test_a_shape_that_fits(content):
    shapes.read(Report, content, "report.json", "")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (None, "content"),
        ([], "content"),
        ("text", "content"),
        ({"split": "train"}, "split"),
        ({"split": None}, "split"),
        ({"members": "a"}, "members"),
        ({"members": ["a", 1]}, "members.1"),
        ({"members": ["\ud800"]}, "content"),
        ({"members": [True]}, "members.0"),
        ({"split": "x", "members": [1] * 1000}, ", ".join(["split", *(f"members.{k}" for k in range(19))])),
    ],
)
def test_a_shape_that_does_not_fit(content, place):
    with pytest.raises(FerlabError) as caught:
        shapes.read(Report, content, "report.json", "mend it")
    assert str(caught.value) == f"report.json has another type of {place}; mend it"
