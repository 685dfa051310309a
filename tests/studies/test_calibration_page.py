"""What is shown of a calibration: with and without a threshold, and the bars of the diagram."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from ferlab.pages.figures import THEMES
from ferlab.pages.sections import Shown
from ferlab.studies import calibration_page
from ferlab.studies.calibration_record import Abstention, AtCoverage, Bin, CalibrationRecord, Probabilities

BINS = [Bin(0.5, 0, None, None), Bin(1.0, 40, 0.9, 0.7)]
BEFORE = Probabilities(0.7, 0.2, 0.9, 0.4, BINS)
ABSTENTION = Abstention(20, 18, 0.9, [0.7, 0.97], wanted_accuracy=0.75, threshold=0.8, coverage=0.5)
RECORD = CalibrationRecord(
    temperature=1.5,
    fitted_here=True,
    before=BEFORE,
    after=replace(BEFORE, ece=0.05),
    cross_fitted=replace(BEFORE, ece=0.06),
    coverage=[AtCoverage(40, 28, 0.7, [0.55, 0.82], coverage=1.0, threshold=0.3)],
    abstention=ABSTENTION,
)
KEPT = replace(
    RECORD,
    fitted_here=False,
    cross_fitted=None,
    abstention=Abstention(0, 0, None, None, wanted_accuracy=0.75, threshold=None, coverage=0.0),
)


def test_a_threshold_and_its_absence_are_in_words():
    first, second = (part.text for part in calibration_page.sections(RECORD, Shown()))
    assert "fitted on these faces" in first
    assert "the confidence 0.800" in second
    assert (
        "50.0 % of these 40 faces get a label, and 90.0 % of the labels are right (95 % interval 70.0–97.0)" in second
    )
    first, second = (part.text for part in calibration_page.sections(KEPT, Shown()))
    assert "fitted on val before" in first
    assert second == "No confidence reaches 75.0 % right labels on val."


def test_rows_and_sentences_hold_the_numbers():
    head, rows = calibration_page.compared([RECORD, KEPT])
    assert dict(zip(head, rows[0], strict=True)) == {
        "temperature": "1.500", "error before %": "20.00", "error after %": "5.00", "cross-fitted %": "6.00",
        "threshold": "0.800", "labelled %": "50.0", "right %": "90.0",
    }  # fmt: skip
    assert rows[1][-4:] == ["–", "–", "0.0", "–"]
    (line,) = calibration_page.card(RECORD)
    assert "20.00 without scaling, 5.00 with temperature 1.500 (cross-fitted 6.00)" in line
    assert line.endswith("labels 50.0 % of the faces; 90.0 (70.0–97.0) of these labels are right.")
    assert calibration_page.card(KEPT)[0].endswith("No confidence reaches 75.0 % right labels on val.")


def test_findings_say_what_scaling_and_the_threshold_do():
    assert calibration_page.findings(RECORD) == [
        "On average its confidence is 20.0 points too high.",
        "With temperature 1.50 the calibration error falls: 20.0 % before, 5.0 % after.",
        "From confidence 0.80 on it labels 50.0 % of the faces, and 90.0 % of these labels are right.",
    ]
    assert calibration_page.findings(KEPT)[-1] == "No confidence reaches 75.0 % right labels on val."
    everything = replace(RECORD, abstention=replace(ABSTENTION, threshold=0.0, coverage=1.0))
    assert calibration_page.findings(everything)[-1] == "Every face may keep its label, for 75.0 % right ones on val."


def test_bars_are_the_accuracies_of_bins_that_hold_faces():
    drawing = Figure()
    calibration_page.diagrams(drawing, RECORD, THEMES["light"])
    for axes in drawing.axes[:2]:
        (bar,) = axes.patches
        assert bar.get_height() == 0.7
        assert bar.get_x() + bar.get_width() / 2 == pytest.approx(0.75)
        np.testing.assert_array_equal(axes.lines[1].get_xydata(), [[0.9, 0.7]])


def test_the_curve_of_coverage_holds_its_accuracies():
    drawing = Figure()
    calibration_page._kept(drawing, RECORD, THEMES["light"])
    np.testing.assert_allclose(drawing.axes[0].lines[0].get_xydata(), [[100, 70]])
