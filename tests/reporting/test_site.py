"""The index of a folder of runs: it ranks what was measured and leads to every page."""

from pathlib import Path

import pytest

from ferlab.reporting import site
from tests.read_page import Page
from tests.reporting.written import made  # noqa: F401


@pytest.fixture
def index(made):
    for report in Path("outputs").rglob("report.json"):
        report.with_name("index.html").touch()
    study = Path("outputs/five_layer-fer2013-none-s0/calibration/val-none/index.html")
    study.parent.mkdir(parents=True)
    study.touch()
    return Page(site.write(Path("outputs")).read_text())


def test_every_page_is_linked_and_runs_are_ranked(index):
    pages = {path.relative_to("outputs").as_posix() for path in Path("outputs").rglob("*/index.html")}
    assert len(pages) == 12
    assert {r.replace("%2B", "+") for r in index.references if not r.startswith(("#", "data:"))} == pages
    (first, *_) = index.table("run", "PublicTest, single view")
    assert first["run"] == "senet50-fer2013+aux-none-s0"
    assert "the best of 4 on val is senet50-fer2013+aux-none-s0" in index.text


def test_the_summary_is_linked_once_it_is_there(index):
    assert "summary.html" not in index.references
    Path("outputs/summary.html").touch()
    assert Page(site.write(Path("outputs")).read_text()).references[0] == "summary.html"


def test_damaged_reports_and_a_disk_that_refuses_stop_no_command(index, caplog):
    Path("outputs/five_layer-fer2013-none-s0/reports/val-none/report.json").write_text("{")
    site.refresh_runs(["outputs/five_layer-*"])
    assert "the best of 3 on val" in Page(Path("outputs/index.html").read_text()).text
    Path("outputs/index.html").unlink()
    Path("outputs/index.html").mkdir()
    site.refresh_runs("outputs/five_layer-*")
    assert "outputs/index.html was not written" in caplog.text


def test_a_page_of_somebody_else_stays(index, caplog):
    Path("outputs/index.html").write_text("<title>mine</title>")
    site.refresh_runs("outputs/five_layer-*")
    assert Path("outputs/index.html").read_text() == "<title>mine</title>"
    assert "index.html is another page than the index of runs; rename it" in caplog.text
