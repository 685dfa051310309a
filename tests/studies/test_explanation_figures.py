"""Sheets of maps: which faces are on them, in which place and colour."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from ferlab.pages.figures import THEMES
from ferlab.studies import explanation_figures, explanation_page
from ferlab.studies.explanation_figures import Maps

N = 6


@pytest.fixture
def maps():
    """Faces of grey 40, maps that are 1 in the upper and -1 in the lower half."""
    signs = np.broadcast_to(np.where(np.arange(48) < 24, 1.0, -1.0)[:, None], (N, 48, 48))
    target = np.array([0, 0, 0, 3, 3, 6])
    return Maps(np.full((N, 48, 48), 40, np.uint8), np.zeros(N, int), target, {"xrai": signs, "grad_cam": 0 * signs})


def test_the_first_faces_of_each_class_are_taken(maps):
    few = maps.of_each(2)
    assert few.target.tolist() == [0, 0, 3, 3, 6]
    assert few.pixels.shape == few.by_method["xrai"].shape == (5, 48, 48)


def test_what_speaks_for_a_class_is_red_and_against_it_blue(maps):
    for draw, head in ((explanation_figures._mean_maps, "mean face"), (explanation_figures._single_faces, "face")):
        drawing = Figure()
        draw(drawing, maps.of_each(1), THEMES["light"])
        (axes,) = drawing.axes
        sheet = axes.images[0].get_array()
        assert [label.get_text() for label in axes.get_xticklabels()] == [head, "xrai", "grad\ncam"]
        np.testing.assert_allclose(sheet[10, 10], [40 / 255] * 3 + [1])
        assert sheet[10, 49, 3] == 0  # between pictures a page of any colour shows
        red, blue = sheet[10, 51 + 10], sheet[40, 51 + 10]
        assert red[0] > 2 * red[2]
        assert blue[2] > 2 * blue[0]
        assert sheet[10, 102 + 10, 3] == 0  # a map of zeros is a word
        assert [text.get_text() for text in axes.texts] == ["empty"] * 3
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "angry",
        "happy\n(is angry)",
        "neutral\n(is angry)",
    ]


def test_both_sheets_are_figures_and_files(maps):
    shown, pictures = explanation_figures.sheets(maps, 1)
    assert set(shown.figures) == set(pictures) == set(explanation_page.PICTURES)
    assert all(content.startswith(b"\x89PNG") for content in pictures.values())
    assert shown.figures[explanation_page.MEANS].alt == explanation_page.PICTURES[explanation_page.MEANS]
