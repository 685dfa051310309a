"""A published study of robustness: its means and drops against the accuracies."""

import numpy as np
import pytest

from ferlab.studies.corruptions import CORRUPTIONS, STRENGTHS
from tests.studies.conftest import published


def test_means_and_drops_are_those_of_the_accuracies():
    record = published("robustness")
    assert list(record.corruptions) == list(CORRUPTIONS)
    for corruption in record.corruptions.values():
        assert tuple(corruption.by_strength) == STRENGTHS  # numbers, though a JSON file has words
        assert corruption.mean == pytest.approx(np.mean([a.accuracy for a in corruption.by_strength.values()]))
        assert corruption.drop == pytest.approx(record.clean.accuracy - corruption.mean)
    mean = np.mean([c.mean for c in record.corruptions.values()])
    assert record.mean_corruption_accuracy == pytest.approx(mean)
    assert record.relative == pytest.approx(mean / record.clean.accuracy)
