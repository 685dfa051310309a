"""Published calibrations: their proportions and intervals against statsmodels."""

import pytest
from statsmodels.stats.proportion import proportion_confint

from tests.studies.conftest import published


@pytest.mark.parametrize("place", ["val-none", "test-none"])
def test_proportions_have_wilsons_interval(place):
    record = published("calibration", place)
    for measured in (*record.coverage, record.abstention):
        assert measured.accuracy == pytest.approx(measured.correct / measured.n)
        wilson = proportion_confint(measured.correct, measured.n, method="wilson")
        assert measured.interval95 == pytest.approx(wilson)
    assert (record.cross_fitted is not None) == record.fitted_here == (place == "val-none")
    for measured in (record.before, record.after):
        n = sum(b.n for b in measured.reliability)
        gaps = sum(b.n * abs(b.accuracy - b.confidence) for b in measured.reliability if b.n)
        assert measured.ece == pytest.approx(gaps / n)
