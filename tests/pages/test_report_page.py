"""The page of a report: self-contained, the same bytes for the same numbers, described in words."""

import re

import numpy as np
import pytest

from ferlab.evaluation import report
from ferlab.expressions import EXPRESSIONS
from ferlab.metrics import scores
from ferlab.pages import figures, report_figures, report_page
from tests.evaluation.small_report import (
    PROVENANCE,
    page,  # noqa: F401
)
from tests.metrics.test_scores import made, made_faces


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
    again = figures.drawn(report_figures.confusion_matrix, np.array(page[1]["confusion_matrix"]), "light", "svg")
    assert (page[0].parent / "confusion_matrix.svg").read_bytes() == again


def test_page_is_self_contained_and_says_the_headline(page, html):
    m = page[1]
    assert not re.findall(r'(?:src|srcset)="(?!data:)', html)
    assert not re.findall(r'href="(?:\w+://|//|/)', html)
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


def test_members_have_a_row_each_with_what_they_do_not_share():
    report = {"members": ["a", "b"], "seed": [0, 1], "class_weights": "none", "weights": [0.25, 0.75]}
    table = report_page.members(report | {"weights_sha256": ["0" * 64, "1" * 64]})
    assert table.head == ["member", "weight", "seed", "sha256 of the weights"]
    assert table.rows == [["a", "0.250", "0", "0" * 12], ["b", "0.750", "1", "1" * 12]]
    assert report_page.members({"members": ["a"], "seed": [0]}) is None


def test_a_report_in_several_views_is_compared_with_the_single_view(tmp_path):
    p, faces, twins = made()
    labels = np.eye(7)[faces.labels]
    for tta, probabilities in (("none", p), ("flip", (p + labels) / 2)):
        measured = scores.measure(probabilities, faces, twins)
        stated = {**PROVENANCE, "tta": tta, "views": [0, 1], "weights_sha256": ["a"], "faces_sha256": "b"}
        stated["views"] = [[False, [0, 0], 1, 0], [True, [0, 0], 1, 0]][: 1 + (tta == "flip")]
        folder = tmp_path / "run" / "reports" / f"test-{tta}"
        path = report.write_report(folder, measured, stated, probabilities, faces)
    more = (((p + labels) / 2).argmax(1) == faces.labels).sum() - (p.argmax(1) == faces.labels).sum()
    text = path.read_text()
    assert f"{100 * more / len(p):.1f} points better with two views (flip) than in a single view: {more} more" in text
    assert 'href="../test-none/index.html"' in text
    assert 'href="../../../index.html#run-run"' in text
    assert "python -m ferlab.evaluate runs=outputs/run split=test tta=flip" in text
