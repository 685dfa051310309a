"""JSON read as records: what is missing or of another type is named, what is foreign is left alone."""

from dataclasses import dataclass

import numpy as np
import pytest

from ferlab.errors import FerlabError
from ferlab.metrics.statistics import accuracy_of
from ferlab.studies.study_record import MeasuredAccuracy, read

HALF = {"n": 2, "correct": 1, "accuracy": 0.5, "interval95": [0.1, 0.9]}


@dataclass(frozen=True)
class Made:
    clean: MeasuredAccuracy
    by_strength: dict[int, MeasuredAccuracy]
    seconds: float | None = None


def test_nested_records_and_numbered_keys_are_read():
    found = read(Made, {"clean": HALF, "by_strength": {"5": HALF}, "data": "fer2013"}, "made.json", "make")
    assert found == Made(MeasuredAccuracy(**HALF), {5: MeasuredAccuracy(**HALF)})


def test_every_key_that_is_missing_or_of_another_type_is_named():
    less = {key: value for key, value in HALF.items() if key != "correct"}
    with pytest.raises(
        FerlabError, match=r"made.json lacks clean.correct, by_strength; write .* python -m ferlab.make"
    ):
        read(Made, {"clean": less}, "made.json", "make")
    with pytest.raises(FerlabError, match=r"made.json has another type of clean.n, seconds; write"):
        read(Made, {"clean": HALF | {"n": "many"}, "by_strength": {}, "seconds": []}, "made.json", "make")


def test_an_accuracy_in_words():
    assert MeasuredAccuracy(**HALF).words() == "50.0 (10.0–90.0) of 2"
    assert MeasuredAccuracy(**accuracy_of(np.zeros(0, bool))).words() == "none of 0"
