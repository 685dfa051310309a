"""An accuracy with its interval."""

import numpy as np

from ferlab.metrics.statistics import accuracy_of
from ferlab.studies.study_record import MeasuredAccuracy

HALF = {"n": 2, "correct": 1, "accuracy": 0.5, "interval95": [0.1, 0.9]}


def test_an_accuracy_in_words():
    assert MeasuredAccuracy(**HALF).words() == "50.0 (10.0–90.0) of 2"
    assert MeasuredAccuracy(**accuracy_of(np.zeros(0, bool))).words() == "none of 0"
