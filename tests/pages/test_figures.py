"""A figure is the same bytes for the same content, in two themes; a face comes back out of its data URI."""

import base64
import io

import numpy as np
from PIL import Image

from ferlab.pages import figures


def draw(figure, content, colours):
    figure.add_subplot().plot(content, color=colours["first"])


def test_a_figure_is_repeatable_and_differs_by_theme():
    light, again, dark = (figures.drawn(draw, [1, 3, 2], theme, "svg") for theme in ("light", "light", "dark"))
    assert light == again != dark
    assert figures.THEMES["dark"]["first"].encode() in dark
    both = figures.both_themes(draw, [1, 2], "png")
    assert set(both) == set(figures.THEMES)
    assert all(uri.startswith("data:image/png;base64,") for uri in both.values())


def test_a_face_survives_its_data_uri():
    face = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    uri = figures.face_uri(face)
    content = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), face)
