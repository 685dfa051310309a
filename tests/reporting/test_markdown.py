"""Tables over reports, and text put between two marks of a file."""

import statistics

import pytest

from ferlab.errors import FerlabError
from ferlab.reporting import markdown, reports
from tests.reporting.written import (
    made,  # noqa: F401
    rows,
    write,
)


def test_seeds_share_a_row_as_mean_and_sample_deviation(made):
    head, body = rows(reports.compare(reports.read("outputs/*")))
    assert head[:5] == [
        "run",
        "PublicTest, single view",
        "PublicTest, flip",
        "PrivateTest, single view",
        "PrivateTest, flip",
    ]
    assert sorted(body) == ["a__b", "five_layer-fer2013-none", "senet50-fer2013+aux-none-s0"]
    seeds = [r for r in made if r["model"] == "five_layer" and r["split"] == "test"]
    mean = 100 * statistics.mean(r["accuracy"] for r in seeds)
    spread = 100 * statistics.stdev(r["accuracy"] for r in seeds)
    low, high = (100 * statistics.mean(r["interval95"][end] for r in seeds) for end in (0, 1))
    assert body["five_layer-fer2013-none"][2] == f"{mean:.1f} ± {spread:.1f} ({low:.1f}–{high:.1f}; 3 seeds)"
    assert body["five_layer-fer2013-none"][1] == "–"


def test_one_run_has_its_interval_and_its_details(made):
    head, body = rows(reports.compare(reports.read("outputs/*")))
    (r,) = [r for r in made if (r["model"], r["split"], r["tta"]) == ("senet50", "test", "none")]
    low, high = r["interval95"]
    row = dict(zip(head[1:], body[r["name"]], strict=True))
    assert row["PrivateTest, single view"] == f"{100 * r['accuracy']:.1f} ({100 * low:.1f}–{100 * high:.1f})"
    alone = r["without_train_twins"]
    assert row["without training twins (PrivateTest, single view)"].startswith(f"{100 * alone['accuracy']:.1f} (")
    assert row["macro recall (PrivateTest, single view)"] == "61.0"
    assert row["disgust missed (PrivateTest, single view)"] == "34.5"


def test_what_no_report_says_has_no_column(tmp_path):
    write(tmp_path / "a/reports/x", "a", without_train_twins=None, macro_recall=None, disgust_misclassification=None)
    write(tmp_path / "b/reports/x", "b", without_train_twins=None, macro_recall=None)
    head, body = rows(markdown.markdown(*markdown.cells(reports.read([str(tmp_path / x) for x in "ab"]))))
    assert head == ["run", "PublicTest, single view", "disgust missed (PublicTest, single view)"]
    assert (body["a"][1], body["b"][1]) == ("–", "34.5")


@pytest.mark.parametrize(
    "other",
    [{"class_weights": "balanced"}, {"data": "fer2013+aux"}, {"model": "baseline"}, {"members": ["x", "y"]}],
)
def test_only_seeds_of_one_configuration_share_a_row(tmp_path, other):
    write(tmp_path / "a/reports/x", "run-s0", seed=0)
    write(tmp_path / "b/reports/x", "run-s1", **{"seed": 1, **other})
    found = reports.read(str(tmp_path / "*"))
    assert "±" not in rows(markdown.markdown(*markdown.cells(found)))[1].__str__()
    assert len(rows(markdown.markdown(*markdown.cells(found)))[1]) == 2


def test_a_second_run_of_one_seed_is_not_another_seed():
    names = ("x-none-s0", "x-none-s1", "x-none-s0-2", "x-none-s01", "free")
    found = [
        markdown.row_name({"name": n, "members": [n], "seed": s}) for n, s in zip(names, (0, 1, 0, 1, 0), strict=True)
    ]
    assert found == ["x-none", "x-none", "x-none-2", "x-none-s01", "free"]


def test_columns_of_words_stand_to_the_left():
    text = markdown.markdown(["a", "n", "w"], [["x", "1", "y"]], words=["w"])
    assert text.splitlines()[1] == "| --- | ---: | --- |"


def test_splice_replaces_what_stands_between_the_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- table:x -->\nold\n<!-- /table -->\nb\n<!-- table:y -->\n<!-- /table -->\nc\n")
    markdown.splice(readme, "y", "| new |")
    markdown.splice(readme, "x", "| 1 |")
    markdown.splice(readme, "x", "| 2 |")
    expected = "a\n<!-- table:x -->\n| 2 |\n<!-- /table -->\nb\n<!-- table:y -->\n| new |\n<!-- /table -->\nc\n"
    assert readme.read_text() == expected


@pytest.mark.parametrize(
    "content", ["", "<!-- table:x -->", "<!-- /table --><!-- table:x -->", "<!-- table:y --><!-- /table -->"]
)
def test_marks_that_are_missing_are_spelled_out(tmp_path, content):
    readme = tmp_path / "README.md"
    readme.write_text(content)
    with pytest.raises(FerlabError, match="expected <!-- table:x --> once"):
        markdown.splice(readme, "x", "new")
    assert readme.read_text() == content
    with pytest.raises(FerlabError, match="is no file"):
        markdown.splice(tmp_path / "none.md", "x", "new")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("five_layer-s0", "five_layer-s0"),
        ("<b>", "&lt;b>"),
        ("![a](http://x)", r"![a]\(http://x)"),
        ("a\nb\x1b[0m", r"a\nb\x1b[0m"),
        ("`runs=[A,B]`, 95 % (0.5\u20130.6)", "`runs=[A,B]`, 95 % (0.5\u20130.6)"),
    ],
)
def test_texts_of_others_are_one_line_without_html_links_and_images(text, expected):
    assert markdown.safe(text) == expected
    assert markdown.bullets([text, "b"]) == f"- {expected}\n- b"
    assert markdown.markdown(["a", "b|c"], [[text, "d"]]) == f"| a | b\\|c |\n| --- | ---: |\n| {expected} | d |"
