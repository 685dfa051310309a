"""The figure of valence and arousal: what its lines show, and what it refuses."""

import re
import sys

import numpy as np
import pytest

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.inference.affect_plot import AffectPlot, _with_gaps
from ferlab.inference.results import Face


def face(name: str, track: int = 0) -> Face:
    return Face(name, 1.0, np.eye(7, dtype=np.float32)[EXPRESSIONS.index(name)], None, track)


def test_a_panel_a_video_and_axis_and_a_line_a_track(tmp_path):
    plot = AffectPlot(tmp_path / "new" / "affect.svg")
    for time_s in (0.0, 0.5):
        plot.add("clips/a$1.mp4", time_s, [face("happy"), face("sad", 1)])
    plot.add("b.mp4", 0.0, [])
    plot.close()
    words = re.findall(r"<text[^>]*>([^<]*)</text>", (tmp_path / "new" / "affect.svg").read_text())
    assert {"a$1.mp4", "b.mp4", "face 0", "face 1"} <= set(words)
    assert words.count("valence") == words.count("arousal") == 2
    assert "Derived from the probabilities of expressions, not measured" in words


def test_a_line_holds_the_values_and_breaks_where_the_face_was_gone():
    values = [(time_s, face(name).affect) for time_s, name in ((0.0, "happy"), (0.5, "sad"), (2.0, "angry"))]
    times, valence = _with_gaps(values, "valence")
    assert times == [0.0, 0.5, 0.5, 2.0]
    np.testing.assert_allclose(valence, [0.81, -0.63, np.nan, -0.51])
    np.testing.assert_allclose(_with_gaps(values, "arousal")[1], [0.51, -0.27, np.nan, 0.59])


def test_without_a_video_nothing_is_written(tmp_path):
    with pytest.raises(FerlabError, match="shows videos over time, and there was none"):
        AffectPlot(tmp_path / "affect.svg").close()
    assert not list(tmp_path.iterdir())


def test_other_kinds_and_a_missing_library_are_refused_before_anything_is_read(tmp_path, monkeypatch):
    with pytest.raises(FerlabError, match=r"expected a file that ends in \.svg, \.png, \.pdf"):
        AffectPlot(tmp_path / "affect.csv")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(FerlabError, match="pip install matplotlib"):
        AffectPlot(tmp_path / "affect.svg")
