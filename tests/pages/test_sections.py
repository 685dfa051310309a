"""A study's page from sections with tables, figures and galleries."""

import numpy as np

from ferlab.pages import sections
from ferlab.pages.links import Link
from ferlab.pages.page import Head, Made, details
from tests.read_page import Page


def test_a_page_shows_its_sections_tables_and_provenance():
    table = sections.PageTable(["net", "right"], [["a", "70"], ["<b>", "60"]], "caption")
    part = sections.Section("What was found", "A paragraph.", tables=[table], commands=["python -m ferlab.x"])
    head = Head("calibration", ["drawn"], "run <1>", ["It is right."], [Link("All runs", "../index.html")])
    made = Made(
        ["python -m ferlab.y"], {"trained by": "abc"}, [Link("x.json", "x.json")], details({"seed": None, "n": 3})
    )
    html = sections.render_page(head, [part], made)
    page = Page(html)
    assert "What was found" in page.headings
    assert [row["net"] for row in page.table("net", "right")] == ["a", "<b>"]
    assert page.code == ["python -m ferlab.x", "python -m ferlab.y", "abc"]
    assert "It is right." in page.text
    assert [r for r in page.references if not r.startswith("data:")] == ["../index.html", "x.json"]
    assert "run <1>" not in html  # escaped
    assert "seed" not in html  # what is not known is left out


def test_a_table_knows_the_order_of_its_rows_by_each_column():
    rows = [["b", "71.0 (69.0–73.0)", "1,000"], ["a", "–", "20"], ["c", "9.5 ± 0.1 (2 seeds)", "300"]]
    places = np.array(sections.PageTable(["run", "accuracy", "n"], rows, sortable=True).places)
    assert places.argsort(0).T.tolist() == [[1, 0, 2], [0, 2, 1], [0, 2, 1]]
