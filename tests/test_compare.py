"""Tables over reports and the tests between them: means against statistics, p values against statsmodels."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from ferlab.errors import FerlabError
from ferlab.metrics.statistics import accuracy_of, mcnemar
from ferlab.reporting import markdown, reports


def write(folder, name, split="val", tta="none", right=0.7, seed=0, n=500, **fields):
    """A report as `report.write_report` leaves it, as far as comparing reads it."""
    correct = np.random.default_rng([ord(c) for c in name + split + tta]).random(n) < right
    told = {
        "name": name,
        "model": "five_layer",
        "members": [name],
        "data": "fer2013",
        "class_weights": "none",
        "seed": seed,
        "split": split,
        "tta": tta,
        "faces_sha256": split,
        **accuracy_of(correct),
        "without_train_twins": accuracy_of(correct[: n - 40]),
        "macro_recall": 0.61,
        "disgust_misclassification": 0.345,
        **fields,
    }
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps({k: v for k, v in told.items() if v is not None}))
    np.save(folder / "correct.npy", correct)
    return told


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outputs = Path("outputs")
    told = [
        write(
            outputs / f"five_layer-fer2013-none-s{s}/reports/{split}-none",
            f"five_layer-fer2013-none-s{s}",
            split,
            seed=s,
        )
        for s in range(3)
        for split in ("val", "test")
    ]
    best = "senet50-fer2013+aux-none-s0"
    for split in ("val", "test"):
        for tta in ("none", "flip"):
            folder = outputs / best / "reports" / f"{split}-{tta}"
            told.append(write(folder, best, split, tta, 0.8, model="senet50", data="fer2013+aux"))
    ensemble = {"model": "ensemble", "members": ["a", "b"], "seed": [0, 1]}
    told.append(write(outputs / "ensembles/a__b/reports/test-none", "a__b", "test", right=0.75, **ensemble))
    return told


def rows(markdown):
    """Cells of the first table, by the first column."""
    lines = [line.strip("| ").split(" | ") for line in markdown.split("\n\n")[0].splitlines()]
    return lines[0], {line[0]: line[1:] for line in lines[2:]}


def test_reports_of_runs_and_ensembles_are_found_once(made):
    found = reports.read(["outputs/*", "outputs/*"])
    assert len(found) == len(made) == 11
    assert sorted({r["name"] for r in found}) == sorted({r["name"] for r in made})
    assert len(reports.read("outputs/ensembles/a__b")) == 1
    assert len(reports.read(["outputs/five_layer-fer2013-none-s0", "outputs/ensembles/a__b"])) == 3


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
    head, body = rows(markdown.table(reports.read([str(tmp_path / x) for x in "ab"])))
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
    assert "±" not in rows(markdown.table(found))[1].__str__()
    assert len(rows(markdown.table(found))[1]) == 2


def test_a_second_run_of_one_seed_is_not_another_seed():
    names = ("x-none-s0", "x-none-s1", "x-none-s0-2", "x-none-s01", "free")
    found = [
        markdown.row_name({"name": n, "members": [n], "seed": s}) for n, s in zip(names, (0, 1, 0, 1, 0), strict=True)
    ]
    assert found == ["x-none", "x-none", "x-none-2", "x-none-s01", "free"]


def test_tests_are_against_the_best_on_val_and_equal_statsmodels(made):
    found = reports.read("outputs/*")
    text = reports.compare(found)
    best = "senet50-fer2013+aux-none-s0"
    assert f"McNemar's exact test, test, tta=none, n = 500:\n\n| against {best} |" in text
    here = [r for r in found if (r["split"], r["tta"]) == ("test", "none")]
    correct = {r["name"]: np.load(r["folder"] / "correct.npy") for r in here}
    table, results = markdown.paired_tests(correct, best)
    assert table in text
    assert [(name, b, c, p) for name, b, c, p, _ in results] == [
        (name, *mcnemar(correct[best], other)) for name, other in correct.items() if name != best
    ]
    theirs = multipletests([row[3] for row in results], method="holm")[1]
    np.testing.assert_allclose([row[4] for row in results], theirs)


def test_the_reference_and_the_columns_can_be_chosen(made):
    found = reports.read("outputs/*")
    text = reports.compare(found, against="five_layer-fer2013-none-s1", split="val")
    assert "McNemar's exact test, val, tta=none" in text
    assert "| against five_layer-fer2013-none-s1 |" in text
    assert "macro recall (PublicTest, single view)" in text
    with pytest.raises(FerlabError, match="against='x' has no such report; choose a__b, five"):
        reports.compare(found, against="x")
    with pytest.raises(FerlabError, match="split=val tta=views8; there are split=test tta=flip"):
        reports.compare(found, split="val", tta="views8")


def test_what_cannot_be_tested_is_said(tmp_path, made):
    Path("outputs/ensembles/a__b/reports/test-none/correct.npy").unlink()
    path = Path("outputs/five_layer-fer2013-none-s0/reports/test-none/report.json")
    path.write_text(path.read_text().replace('"faces_sha256": "test"', '"faces_sha256": "others"'))
    text = reports.compare(reports.read("outputs/*"))
    assert "a__b: no correct.npy beside" in text
    assert "five_layer-fer2013-none-s0: measured on other faces than senet50" in text
    assert "only one result" in reports.compare(reports.read("outputs/ensembles/*"))
    write(tmp_path / "p/a/reports/x", "a", "test")
    write(tmp_path / "p/b/reports/x", "b", "test")
    assert "no report on val says" in reports.compare(reports.read(str(tmp_path / "p/*")))


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        (None, r"type runs='outputs/\*' or runs=results"),
        ("outputs/none*", r"python -m ferlab.evaluate runs='outputs/none\*'"),
    ],
)
def test_missing_reports_say_what_to_type(made, runs, message):
    with pytest.raises(FerlabError, match=message):
        reports.read(runs)


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"name": "x"}', '{"split": "train"}'])
def test_a_damaged_report_is_named(tmp_path, content):
    file = tmp_path / "run/reports/val-none/report.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    with pytest.raises(FerlabError, match=r"report\.json is no report"):
        reports.read(str(tmp_path / "run"))


def test_reports_that_disagree_are_refused(tmp_path):
    write(tmp_path / "a/reports/x", "same")
    write(tmp_path / "b/reports/x", "same")
    assert len(reports.read(str(tmp_path / "?"))) == 1
    write(tmp_path / "c/reports/x", "same", correct=1)
    with pytest.raises(FerlabError, match="both same, val, none"):
        reports.read(str(tmp_path / "?"))


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


def test_the_command_writes_prints_and_splices_without_torch(made, tmp_path):
    Path("README.md").write_text("<!-- table:all -->\n<!-- /table -->\n")
    typed = ["runs=outputs/*", "out=results/table.md", "into=README.md", "name=all"]
    code = (
        f"import sys; sys.argv = ['compare', *{typed}]; from ferlab import compare; compare.main(); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    markdown = Path("results/table.md").read_text()
    assert markdown == done.stdout
    assert Path("README.md").read_text() == f"<!-- table:all -->\n{markdown}<!-- /table -->\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", "outputs", "results"]
