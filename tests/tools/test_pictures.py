"""The pictures of the documentation: they show what results/ and the default model say, and are up to date."""

import json
import re
from importlib import metadata

import numpy as np
import pytest
from matplotlib.figure import Figure

from ferlab.pages import figures
from ferlab.predict import Predictor
from tests.reporting.test_published import RESULTS
from tools.pictures import __main__ as pictures
from tools.pictures import flow, regions
from web.tests import portraits

ROOT = RESULTS.parent
LIGHT = figures.THEMES["light"]


def words(figure):
    return [text.get_text() for text in figure.findobj(match=lambda artist: hasattr(artist, "get_text"))]


def test_the_bars_are_the_default_models_answer():
    way = flow.way()
    faces = Predictor()(portraits.three(0))
    left = min(faces, key=lambda face: face.detection.box[0])
    assert len(faces) == 3
    figure = Figure()
    flow.draw(figure, (way, False), LIGHT)
    bars = [patch.get_width() for patch in figure.axes[-1].patches]
    np.testing.assert_array_equal(bars, np.rint(100 * left.probabilities))
    assert {face.label for face in faces} <= set(words(figure))


def test_regions_show_the_densities_of_the_published_study():
    lines = map(json.loads, (RESULTS / "studies.jsonl").read_text().splitlines())
    (study,) = [one for one in lines if (one["name"], one["kind"]) == (pictures.STUDIED, "explain")]
    densities = study["content"]["regions"][pictures.METHOD]
    assert study["content"]["split"] == "val"
    assert study["content"]["checks"][pictures.METHOD]["better_than_random"]
    figure = Figure()
    regions.draw(figure, (densities, False), LIGHT)
    for axes in figure.axes:
        shown = [text.get_text() for text in axes.texts]
        of = densities[axes.get_title()]
        assert shown == [f"{of[region]['mean']:.1f}" for region in ("brows", "eyes", "nose", "mouth")]
    assert len(figure.axes) == 7


def test_drawn_eyes_and_mouth_lie_in_their_boxes():
    """What differs between two expressions of one drawn person lies where the boxes of eyes and mouth are."""
    calm, open_mouthed = (regions._face(name).astype(int) for name in ("neutral", "surprise"))
    changed = np.abs(calm - open_mouthed) > 40
    rows = np.flatnonzero(changed[:, 110:130].any(1)) / regions._FINE
    top, bottom, *_ = regions.BOXES["mouth"][0]
    assert (rows > top).any()
    assert rows[rows > 30].max() < bottom


@pytest.mark.slow
def test_every_picture_is_what_make_pictures_writes():
    """To the byte where matplotlib is that of the committed files, elsewhere in every word."""
    same = f"Matplotlib v{metadata.version('matplotlib')}"
    photo, *drawn_pictures = pictures.pictures()
    assert (ROOT / "docs" / "pictures" / photo[0]).read_bytes() == photo[1]
    for name, content in drawn_pictures:
        committed = (ROOT / "docs" / "pictures" / name).read_text()
        drawn = content.decode()
        found, wanted = (re.findall(r"<text[^>]*>([^<]*)<", text) for text in (committed, drawn))
        assert found == wanted, f"{name}: type make pictures"
        assert same not in committed or committed == drawn, name
