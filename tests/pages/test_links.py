"""Pages refer to each other by relative addresses, which lead to files."""

from pathlib import Path

from ferlab.pages import links


def pages(folder, *places):
    for place in places:
        (folder / place).mkdir(parents=True)
        (folder / place / "index.html").touch()


def test_a_page_leads_to_the_index_and_to_its_siblings(tmp_path):
    pages(
        tmp_path,
        "a/reports/val-none",
        "a/calibration/val-none",
        "ensembles/both/reports/test-flip",
        "b/reports/val-none",
    )
    page = tmp_path / "a/calibration/val-none/index.html"
    assert links.around(page) == [
        ("All runs", "../../../index.html#run-a"), ("val, single view", "../../reports/val-none/index.html"),
    ]  # fmt: skip
    ensemble = tmp_path / "ensembles/both/reports/test-flip/index.html"
    assert links.around(ensemble) == [("All runs", "../../../../index.html#run-both")]
    assert links.site_of(tmp_path / "ensembles/both") == links.site_of(tmp_path / "a") == tmp_path
    assert links.runs_word(tmp_path / "ensembles/both") == "runs=outputs/ensembles/both"


def test_a_run_that_is_typed_from_within_has_the_same_links(tmp_path, monkeypatch):
    pages(tmp_path, "a/reports/val-none")
    monkeypatch.chdir(tmp_path / "a")
    page = Path("reports/val-none/index.html")
    assert links.around(page) == [("All runs", "../../../index.html#run-a")]
    assert links.runs_word(Path(".")) == "runs=outputs/a"


def test_names_are_quoted_and_files_that_are_missing_are_left_out(tmp_path):
    pages(tmp_path, "a 100%/reports/val-none")
    page = tmp_path / "a 100%/reports/val-none/index.html"
    for name in ("config.yaml", "members.json"):
        (tmp_path / "a 100%" / name).touch()
    assert links.between(tmp_path / "index.html", page) == "a%20100%25/reports/val-none/index.html"
    assert links.files_of(page, ["report.json"]) == [
        ("report.json", "report.json"), ("config.yaml", "../../config.yaml"), ("members.json", "../../members.json"),
        ("the whole folder", "../.."),
    ]  # fmt: skip
