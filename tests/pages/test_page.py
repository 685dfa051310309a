"""What pages share: templates that escape what users named, and gallery entries with all seven probabilities."""

import base64
import csv
import io
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
        empty = page.template("study.html").environment.from_string('{% extends "page.html" %}')
        html = empty.render(head=page.Head("kind", ["data"], "title"), made=None)
        head = html[: html.index("<title>")]
        assert f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">' in head  # before all that it rules


def test_a_table_goes_away_as_csv():
    uri = page.csv_uri(["name", "n"], [["a, b", 1], ["é", 2]])
    content = base64.b64decode(uri.removeprefix("data:text/csv;base64,")).decode()
    assert list(csv.reader(io.StringIO(content))) == [["name", "n"], ["a, b", "1"], ["é", "2"]]


def test_provenance_is_words_and_long_parts_stand_apart():
    stated = {"name": "a", "views": [[True, [0, 0], 1, 0]], "seed": None, "config": {"model": {"name": "x"}}}
    assert page.details(stated) == {
        "provenance": [("name", "a"), ("views", "mirrored")],
        "config": [("model.name", "x")],
    }
    assert page.commits({"commit": ["a", "b"], "evaluated_commit": "c"}) == {"trained by": "a, b", "evaluated by": "c"}
