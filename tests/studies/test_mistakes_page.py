"""What is shown of an analysis: with and without FER+'s votes and galleries."""

import numpy as np
from matplotlib.figure import Figure

from ferlab.pages.figures import THEMES
from ferlab.pages.sections import Shown
from ferlab.studies import mistakes_page
from ferlab.studies.mistakes_record import Ambiguous, MistakesRecord, Twins
from ferlab.studies.study_record import MeasuredAccuracy

NONE = MeasuredAccuracy(0, 0, None, None)
GROUPS = {
    "agrees": MeasuredAccuracy(8, 6, 0.75, [0.41, 0.93]),
    "disputes": MeasuredAccuracy(4, 1, 0.25, [0.05, 0.7]),
    "no majority": NONE,
}
AMBIGUOUS = Ambiguous(4, 2, 0.5, [0.15, 0.85], right_in_two=3)
RECORD = MistakesRecord(
    ambiguous_gap=0.1,
    ambiguous=AMBIGUOUS,
    clear=MeasuredAccuracy(8, 5, 0.625, [0.3, 0.86]),
    contradictory_twins=Twins(2, 1, 0.5, [0.09, 0.91], answers_of_twin=1),
    ferplus=GROUPS,
    label_issues=[],
    errors=5,
    disputed_errors=3,
)
ALONE = MistakesRecord(0.1, AMBIGUOUS, NONE, None, None, [], 2)


def test_sections_follow_from_what_is_known():
    cards = [{"image": "data:"}]
    parts = {part.title: part for part in mistakes_page.sections(RECORD, Shown(galleries={"issues": cards}))}
    assert list(parts) == [
        "Ambiguous faces", "Identical faces, other labels", "FER+ as a second opinion", "Doubtful labels",
    ]  # fmt: skip
    assert parts["Doubtful labels"].gallery == cards
    assert "is that of the label in 3 of 4." in parts["Ambiguous faces"].text
    assert "disputes the label of 3 of the 5 faces" in parts["FER+ as a second opinion"].text
    assert parts["FER+ as a second opinion"].tables[0].rows[2] == ["no majority", "0", "–", "no face"]
    assert [part.title for part in mistakes_page.sections(ALONE, Shown())] == ["Ambiguous faces"]


def test_rows_and_sentences_hold_the_numbers():
    _, rows = mistakes_page.compared([RECORD, ALONE])
    assert rows == [["75.0", "25.0", "–", "3 of 5"], ["–"] * 4]
    first, second = mistakes_page.card(RECORD)
    assert first == "right on 50.0 (15.0–85.0) of 4 ambiguous faces and on 62.5 (30.0–86.0) of 8 clear ones."
    assert second.endswith("agrees 75.0 (41.0–93.0) of 8, disputes 25.0 (5.0–70.0) of 4.")
    assert mistakes_page.card(ALONE) == ["right on 50.0 (15.0–85.0) of 4 ambiguous faces and on none of 0 clear ones."]


def test_bars_are_accuracies_with_their_intervals():
    drawing = Figure()
    mistakes_page.bars(drawing, GROUPS, THEMES["light"])
    (axes,) = drawing.axes
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [75, 25])
    (lines,) = axes.collections
    np.testing.assert_allclose([path[:, 0] for path in lines.get_segments()], [[41, 93], [5, 70]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["agrees (8)", "disputes (4)"]


def test_findings_count_disputed_errors():
    assert mistakes_page.findings(RECORD) == [
        "Right for 62.5 % of the 8 clear faces and for 50.0 % of the 4 ambiguous ones.",
        "FER+ disputes the label of 3 of the 5 errors (60.0 %).",
    ]
    assert mistakes_page.findings(ALONE)[1].startswith("It is wrong for 2 faces")
