"""What pages share: templates that escape what users named, and gallery entries with all seven probabilities."""

import numpy as np

from ferlab.expressions import EXPRESSIONS
from ferlab.pages import page
from tests.conftest import made_faces


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
