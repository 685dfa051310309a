"""The tables of both READMEs from results/: McNemar's tests as they were published, and files that are up to date."""

import re
from pathlib import Path

import pytest

from ferlab.errors import FerlabError
from ferlab.reporting import generated
from tests.composing import composed
from tests.reporting.test_published import BEFORE, RESULTS

ROOT = RESULTS.parent


def declared(**config):
    return composed(command="publish", **config)["written"]


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The repository's two READMEs, and what declares their tables."""
    monkeypatch.chdir(tmp_path)
    for folder in ("results", "docs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    tables = declared()
    for table in tables:
        file = Path(table["into"])
        table["into"] = file.as_posix().replace("/", "_")
        Path(table["into"]).write_text((ROOT / file).read_text())
    return tables


def test_every_mcnemar_row_of_table_2_is_as_it_was(copied):
    text = "".join(path.read_text() for path in generated.write(copied))
    tests = [test for test in BEFORE["tests"] if test["table"] == "table2"]
    assert len(tests) == 14
    for test in tests:
        row = [test["name"], *map(str, test["counts"]), *test["p"]]
        assert f"| {' | '.join(row)} |" in text


def is_picture(table):
    return "name" not in table


def drawn(file):
    """Points and words of the picture: places of the rest depend on matplotlib's version."""
    text = Path(file).read_text()
    kinds = "accuracy|parameters|time|poster|single|several"
    return re.findall(rf'id="((?:{kinds})-[^"]*)"', text), re.findall(r"<text[^>]*>([^<]*)<", text)


def test_all_pictures_show_what_publish_draws(copied):
    pictures = [table for table in copied if is_picture(table)]
    before = {table["into"]: drawn(table["into"]) for table in pictures}
    assert len(before) == 6
    generated.write(pictures)
    for path, shown in before.items():
        assert drawn(path) == shown, f"{path}: type python -m ferlab.publish tables=true"
        assert len(shown[0]) > 15


def test_both_readmes_hold_what_publish_writes(copied):
    copied = [table for table in copied if not is_picture(table)]
    before = {table["into"]: Path(table["into"]).read_text() for table in copied}
    assert sorted(map(str, generated.write(copied))) == sorted(before)
    for path, text in before.items():
        assert Path(path).read_text() == text, f"{path}: type python -m ferlab.publish tables=true"


def test_a_table_of_some_views_has_no_other_columns(copied):
    (table,) = [table for table in copied if table.get("columns")]
    Path("all.md").write_text("<!-- table:single -->\n<!-- /table -->")
    table |= {"into": "all.md", "name": "single", "recipes": None}
    generated.write([table])
    assert "flip" not in Path("all.md").read_text()
    generated.write([table | {"columns": None}])
    assert "PublicTest, flip" in Path("all.md").read_text()


def test_an_unknown_layout_is_refused(copied):
    with pytest.raises(FerlabError, match="the layout of single is 'wide'; choose list, table2, short"):
        generated.write([copied[0] | {"layout": "wide"}])


def test_a_file_without_marks_is_refused(copied):
    Path("none.md").write_text("nothing")
    with pytest.raises(FerlabError, match="expected <!-- table:single --> once"):
        generated.write([copied[0] | {"into": "none.md"}])
