"""The page of a report: self-contained, the same bytes for the same numbers, described in words."""

import re

import numpy as np
import pytest

from ferlab.evaluation import report
from ferlab.expressions import EXPRESSIONS
from ferlab.metrics import scores
from ferlab.pages import figures, report_page
from tests.evaluation.small_report import (
    PROVENANCE,
    page,  # noqa: F401
)
from tests.metrics.test_scores import made_faces


def test_one_face_of_another_data_set_that_stands_in_training_has_a_page_too(tmp_path):
    p, faces = np.eye(7, dtype=np.float32)[[3]], made_faces([0])
    provenance = {**PROVENANCE, "data": "drawn", "name": "five_layer-drawn-none-s0", "members": ["x"]}
    page = report.write_report(tmp_path, scores.measure(p, faces, [True]), provenance, p, faces)
    text = re.sub(r'"data:[^"]*"', "", page.read_text())
    assert not re.search(r"\b(nan|None|inf)\b", text)
    assert "no face" in text
    assert "PrivateTest" not in text
    assert "fer2013" not in text.lower()


@pytest.fixture
def html(page):
    return page[0].read_text()


def test_the_same_matrix_gives_the_same_bytes(page):
    again = figures.drawn(report_page._confusion_matrix, np.array(page[1]["confusion_matrix"]), "light", "svg")
    assert (page[0].parent / "confusion_matrix.svg").read_bytes() == again


def test_page_is_self_contained_and_says_the_headline(page, html):
    m = page[1]
    assert not re.findall(r'(?:src|href|srcset)="(?!data:)', html)
    assert "url(" not in html
    assert f"{100 * m['accuracy']:.1f}" in html
    low, high = m["interval95"]
    assert f"{100 * low:.1f}–{100 * high:.1f}" in html
    assert "PrivateTest" in html
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html


def test_every_image_has_an_alternative_text(html):
    images = re.findall(r"<img[^>]*>", html)
    assert len(images) == 3 + report_page.MISTAKES  # matrix, reliability, curves, faces
    assert all(re.search(r'alt="[^"]{10,}"', image) for image in images)


def test_gallery_shows_the_surest_mistakes_with_their_origin(page, html):
    _, _, p, faces, _ = page
    wrong = np.flatnonzero(p.argmax(1) != faces.labels)
    order = wrong[np.argsort(-p[wrong].max(1))]
    shown = re.findall(r"taken for (\w+) · (row \d+)", html)
    expected = [(EXPRESSIONS[p[i].argmax()], f"row {100 + i}") for i in order[: report_page.MISTAKES]]
    assert shown == expected


def test_page_escapes_what_users_named(html):
    assert "<script>" not in html
    assert "&lt;b&gt;&amp;x" in html


def test_curves_leave_out_what_is_no_number():
    rows = [{"epoch": "0", "val/loss": "inf", "train/loss": 1}, {"epoch": "", "val/loss": "1"}, {"val/accuracy": "x"}]
    assert report_page.curves(rows) == {"loss": {"train/loss": [(0.0, 1.0)]}}
    assert report_page.curves([]) == {}
