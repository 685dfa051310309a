"""The figures of a report: their values are the report's."""

import numpy as np

from ferlab.expressions import EXPRESSIONS
from ferlab.metrics import scores
from ferlab.pages import report_figures
from tests.metrics.test_scores import made


def test_values_to_take_away_are_those_of_the_report():
    p, faces, twins = made()
    rows = [{"epoch": "0", "train/loss": "2.0", "val/accuracy": "0.3"}, {"epoch": "1", "val/accuracy": "0.4"}]
    found = report_figures.of_report(dict(scores.measure(p, faces, twins)), rows)
    matrix = np.zeros((7, 7), int)
    np.add.at(matrix, (faces.labels, p.argmax(1)), 1)
    head, *values = found["confusion"].values
    assert head == ["label", *EXPRESSIONS]
    np.testing.assert_array_equal([row[1:] for row in values], matrix)
    assert found["training"].values[1:] == [
        ("train/loss", 0, 2.0), ("val/accuracy", 0, 0.3), ("val/accuracy", 1, 0.4),
    ]  # fmt: skip
    recall = {row[0]: row[1].partition(" (")[0] for row in found["by_expression"].rows}
    assert recall == {name: f"{100 * matrix[k, k] / matrix[k].sum():.1f}" for k, name in enumerate(EXPRESSIONS)}


def test_curves_leave_out_what_is_no_number():
    rows = [{"epoch": "0", "val/loss": "inf", "train/loss": 1}, {"epoch": "", "val/loss": "1"}, {"val/accuracy": "x"}]
    assert report_figures.curves(rows) == {"loss": {"train/loss": [(0.0, 1.0)]}}
    assert report_figures.curves([]) == {}
