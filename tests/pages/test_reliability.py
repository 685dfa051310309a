"""The reliability diagram: bars, counts and Wilson's intervals of the bins that hold faces."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from statsmodels.stats.proportion import proportion_confint

from ferlab.pages import reliability
from ferlab.pages.figures import THEMES

BINS = [
    {"up_to": 0.5, "n": 0, "confidence": None, "accuracy": None},
    {"up_to": 1.0, "n": 40, "confidence": 0.9, "accuracy": 0.7},
]


def test_a_bar_has_its_accuracy_interval_and_count():
    drawing = Figure()
    reliability.diagrams(drawing, {"before": BINS}, THEMES["light"])
    upper, lower = drawing.axes
    (bar,) = upper.patches
    assert bar.get_height() == 0.7
    assert bar.get_x() + bar.get_width() / 2 == pytest.approx(0.75)
    (interval,) = upper.collections
    expected = proportion_confint(28, 40, method="wilson")
    np.testing.assert_allclose(interval.get_segments()[0][:, 1], expected)
    np.testing.assert_array_equal(upper.lines[1].get_xydata(), [[0.9, 0.7]])
    assert [text.get_text() for text in lower.texts] == ["40"]
    np.testing.assert_allclose(reliability.rows(BINS), [[1.0, 40, 0.9, 0.7, *expected]])


def test_the_legend_hides_no_bar():
    drawing = Figure()
    reliability.diagrams(drawing, {"before": BINS}, THEMES["light"])
    assert [axes.get_legend() for axes in drawing.axes] == [None, None]
    assert len(drawing.legends) == 1
