"""A study's page from sections with tables, figures and galleries."""

from ferlab.pages import sections
from tests.read_page import Page


def test_a_page_shows_its_sections_tables_and_provenance():
    table = sections.PageTable(["net", "right"], [["a", "70"], ["<b>", "60"]], "caption")
    part = sections.Section("What was found", "A paragraph.", tables=[table], commands=["python -m ferlab.x"])
    html = sections.render_page("calibration", "drawn · validation", {"name": "run <1>", "seed": None, "n": 3}, [part])
    page = Page(html)
    assert "What was found" in page.headings
    assert [row["net"] for row in page.table("net", "right")] == ["a", "<b>"]
    assert "python -m ferlab.x" in page.code
    assert "run <1>" not in html  # escaped
    assert "seed" not in html  # what is not known is left out
