"""What is shown of a study of robustness: its table, other runs beside it, and the curves."""

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from ferlab.pages.figures import THEMES
from ferlab.pages.sections import PageFigure, Shown
from ferlab.studies import robustness_page
from ferlab.studies.robustness_record import Corruption, RobustnessRecord
from ferlab.studies.study_record import MeasuredAccuracy

CLEAN, HALF, FIFTH = (MeasuredAccuracy(10, k, k / 10, [0.0, 1.0]) for k in (8, 5, 2))
LOW = Corruption({1: HALF, 5: FIFTH}, mean=0.35, drop=0.45)
RECORD = RobustnessRecord(CLEAN, {"happy": 0.8, "disgust": None}, {"low_contrast": LOW}, 0.35, 0.45, 0.4375, 3.0)
ALONE = replace(RECORD, corruptions={}, mean_corruption_accuracy=None, mean_drop=None, relative=None)


def test_the_table_has_a_column_a_strength():
    sheet = PageFigure({"light": "a", "dark": "b"}, "faces")
    clean, corrupted = robustness_page.sections(RECORD, Shown({robustness_page.FACES: sheet}))
    assert clean.tables[0].rows == [["happy", "80.0"], ["disgust", "–"]]
    table = corrupted.tables[0]
    assert table.head == ["corruption", "strength 1", "strength 5", "mean", "drop against clean"]
    assert table.rows == [["low contrast", "50.0", "20.0", "35.0", "45.0"]]
    assert corrupted.figures[1] == sheet
    assert len(robustness_page.sections(ALONE, Shown())) == 1


def test_a_corruption_that_one_run_lacks_is_a_dash():
    head, rows = robustness_page.compared([RECORD, ALONE])
    assert head == ["clean %", "mean corrupted %", "low contrast"]
    assert rows == [["80.0", "35.0", "35.0"], ["80.0", "–", "–"]]
    assert robustness_page.card(ALONE) == ["clean 80.0 (0.0–100.0) of 10."]
    assert robustness_page.card(RECORD)[0].endswith("mean of all corruptions 35.0: low contrast 35.0.")


def test_a_curve_begins_at_the_clean_accuracy():
    drawing = Figure()
    robustness_page.curves(drawing, RECORD, THEMES["light"])
    shown = [axes for axes in drawing.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == ["low contrast: 35.0 %"]
    np.testing.assert_allclose(shown[0].lines[1].get_xydata(), [[0, 80], [1, 50], [5, 20]])


def test_faces_lie_side_by_side():
    faces = np.arange(2 * 1 * 3, dtype=np.uint8).reshape(2, 1, 3, 1, 1) * np.ones((48, 48), np.uint8)
    drawing = Figure()
    robustness_page.faces(drawing, robustness_page.Examples(faces, ["blur", "low_contrast"], [1, 5]), THEMES["light"])
    sheet = drawing.axes[0].images[0].get_array()
    np.testing.assert_array_equal(sheet[::48, ::48], [[0, 1, 2], [3, 4, 5]])
    assert [label.get_text() for label in drawing.axes[0].get_yticklabels()] == ["blur", "low contrast"]


def test_findings_name_what_costs_most_and_least():
    two = replace(RECORD, corruptions={"low_contrast": LOW, "blur": Corruption({1: CLEAN}, mean=0.8, drop=0.0)})
    assert robustness_page.findings(two) == [
        "Right for 80.0 % of 10 clean faces (95 % interval 0.0–100.0).",
        "Right for 35.0 % of the corrupted ones, 45.0 points fewer.",
        "Most is lost to low contrast (45.0 points), least to blur (0.0).",
    ]
    assert len(robustness_page.findings(ALONE)) == 1
