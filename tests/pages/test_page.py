"""What pages share: templates that escape what users named, and gallery entries with all seven probabilities."""

from pathlib import Path

import numpy as np
import pytest

from ferlab.expressions import EXPRESSIONS
from ferlab.pages import page
from tests.conftest import made_faces

TEMPLATES = Path(page.__file__).with_name("templates")


def test_a_gallery_entry_holds_the_label_the_prediction_and_every_probability():
    faces = made_faces(7, 0, 0)
    probabilities = np.full((7, 7), 0.05)
    probabilities[:, 3] = 0.7
    (entry,) = page.cards(faces, [1], probabilities, ["a note"])
    assert (entry["label"], entry["predicted"], entry["note"]) == (EXPRESSIONS[1], EXPRESSIONS[3], "a note")
    assert entry["bars"] == list(zip(EXPRESSIONS, probabilities[1].tolist(), strict=True))
    assert entry["origin"] == "row 1"


def test_templates_escape():
    assert page.template("study.html").environment.autoescape is True
    assert page.template("study.html").environment.from_string("{{ x }}").render(x="<b>") == "&lt;b&gt;"


POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@pytest.mark.parametrize("name", sorted(path.name for path in TEMPLATES.glob("*.html")))
def test_a_page_runs_and_fetches_nothing_whatever_it_shows(name):
    text = (TEMPLATES / name).read_text()
    assert "<script" not in text
    whole = "{% block main %}" in text or "{% extends" in text
    assert text.startswith('{% extends "page.html" %}') == (whole and name != "page.html")
    if name == "page.html":
        html = page.template("study.html").environment.from_string('{% extends "page.html" %}').render()
        head = html[: html.index("<title>")]
        assert f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">' in head  # before all that it rules
