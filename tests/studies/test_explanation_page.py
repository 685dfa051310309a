"""What is shown of an explanation: methods that fail a check, expressions without a face, and the curves."""

import numpy as np
from matplotlib.figure import Figure

from ferlab.pages.figures import THEMES
from ferlab.pages.sections import PageFigure, Shown
from ferlab.studies import explanation_page
from ferlab.studies.explanation_record import (
    Check,
    Claim,
    Densities,
    ExplainedFace,
    ExplanationRecord,
    Interval,
    Sanity,
)

ABOVE, BELOW = Interval(1.5, 1.2, 1.8), Interval(-0.2, -0.3, -0.1)
RECORD = ExplanationRecord(
    settings={"target": "label", "sanity_limit": 0.5},
    left_out_constant=2,
    faces=[ExplainedFace(4, "happy", "happy")],
    areas={"brows": 0.1, "eyes": 0.1, "nose": 0.1, "mouth": 0.1, "rest": 0.6},
    regions={
        name: {"happy": Densities(1, ABOVE, ABOVE, ABOVE, BELOW, ABOVE), "sad": None} for name in ("xrai", "grad_cam")
    },
    claims={
        "happy": {
            "xrai": Claim(["mouth"], ["brows", "eyes", "nose"], 1, BELOW, "contradicted"),
            "grad_cam": Claim(["mouth"], ["brows", "eyes", "nose"], 1, None, "undecided"),
        }
    },
    checks={
        "xrai": Check(0.1, 0.9, "random_patches", {"deletion": BELOW, "insertion": ABOVE}, True),
        "grad_cam": Check(0.3, 0.4, "random_patches", {"deletion": ABOVE, "insertion": ABOVE}, False),
        "random_patches": Check(0.3, 0.3),
    },
    sanity={"xrai": Sanity([0, 1], [1.0, 0.1], True), "grad_cam": Sanity([0, 1], [1.0, 0.2], True)},
    seconds={"xrai": 2.0, "all": 3.0},
    peak_memory_mb=100.0,
)


def test_tables_name_what_fails_and_what_has_no_face():
    sheet = PageFigure({"light": "a", "dark": "b"}, "maps")
    parts = {part.title: part for part in explanation_page.sections(RECORD, Shown({explanation_page.SINGLE: sheet}))}
    carried = parts["Which parts of a face carry a prediction"]
    assert "explained as their label" in carried.text
    assert carried.text.endswith("Left out, of one grey: 2.")
    assert carried.figures == []
    claims = parts["The poster's reading"].tables[0]
    assert claims.head == ["method", "happy: mouth"]
    assert claims.rows == [["xrai", "contradicted (-0.30 to -0.10)"], ["grad cam (fails a check)", "undecided"]]
    regions = parts["Share of attribution over share of area"].tables[0]
    assert regions.rows[0] == ["happy", "1", *["1.50 (1.20–1.80)"] * 3, "-0.20 (-0.30–-0.10)", "1.50 (1.20–1.80)"]
    assert regions.rows[1] == ["sad", "0", *["no face"] * 5]
    checks, randomised = parts["How far to trust the maps"].tables
    assert checks.rows[0][-1] == "yes"
    assert checks.rows[2] == ["random patches", "0.300", "0.300", "–", "–", "–"]
    assert randomised.rows[1] == ["grad cam", "+0.20", "+0.20", "yes"]
    assert parts["Single faces"].figures == [sheet]


def test_only_sound_methods_are_evidence():
    assert RECORD.sound == ["xrai"]
    assert explanation_page.compared([RECORD])[1] == [["xrai", "0 of 1"]]
    assert explanation_page.card(RECORD) == [
        "1 faces, methods that pass both checks: xrai of 2.",
        "The poster's claim of happy (mouth): xrai contradicted.",
    ]


def test_a_curve_is_the_correlation_over_random_layers():
    drawing = Figure()
    explanation_page.sanity(drawing, RECORD, THEMES["light"])
    np.testing.assert_allclose(drawing.axes[0].lines[0].get_xydata(), [[0, 1], [100, 0.1]])
    assert [text.get_text() for text in drawing.axes[0].get_legend().get_texts()] == ["xrai", "grad cam"]


def test_findings_hold_the_verdicts_of_sound_methods_alone():
    assert explanation_page.findings(RECORD) == [
        "1 of 2 methods pass both checks of their maps: xrai.",
        "The poster's reading of happy (mouth): contradicted by 1 method.",
    ]
