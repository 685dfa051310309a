"""Figures that many pages share."""

import pickle

import pytest

from ferlab.pages import figures, report_page, sections


@pytest.fixture(scope="session", autouse=True)
def equal_figures_drawn_once():
    """Bytes of figures by what is drawn: the same runs stand on many pages, whose time is nearly all in figures."""
    draw, kept = figures.drawn, {}

    def drawn(function, content, theme, kind):
        key = (function.__module__, function.__qualname__, pickle.dumps(content), theme, kind)
        if key not in kept:
            kept[key] = draw(function, content, theme, kind)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        for module in (figures, report_page, sections):
            patch.setattr(module, "drawn", drawn)
        yield
