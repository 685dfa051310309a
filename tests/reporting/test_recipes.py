"""The short list of published rows: which it has, in which order, and its three columns."""

import statistics
from pathlib import Path

import pytest

from ferlab.reporting import recipes, reports
from ferlab.reporting.recipes import listed
from tests.reporting.test_published import RESULTS
from tests.reporting.written import rows, write

RULES = {"seeds": 3, "views": "views12", "without": []}


def put(name, kind="net", seed=0, right=0.7, views=("none", "views12"), splits=("val", "test"), **fields):
    fields |= {"file": {"export": {"precision": "int8"}, "commit": "abc"}, "net": {}}.get(
        kind, {"members": ["x", "y"], "seed": [0, 1]}
    )
    return {
        (split, tta): write(
            Path(name, "reports", f"{split}-{tta}"), name, split, tta, right, **{"seed": seed, **fields}
        )
        for split in splits
        for tta in views
    }


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = {f"good-s{s}": put(f"good-s{s}", seed=s, right=0.9) for s in range(3)}
    told |= {f"bad-s{s}": put(f"bad-s{s}", seed=s, right=0.4) for s in range(3)}
    told |= {f"two-s{s}": put(f"two-s{s}", seed=s) for s in range(2)}
    told["file"] = put("file", "file", views=("none",), right=0.8)
    told["weak"] = put("weak", "ensemble", views=("views12-logit",), right=0.5)
    told["strong"] = put("strong", "ensemble", views=("views12",), right=0.8)
    told["untested"] = put("untested", "ensemble", splits=("val",))
    for s in range(3):
        put(f"elsewhere-s{s}", seed=s, faces_sha256="others")
    return told


def names(**rules):
    return [row.name for row in listed(reports.read("*"), RULES | rules)]


def test_nets_of_enough_seeds_then_files_then_ensembles_each_by_accuracy_on_val(made):
    assert names() == ["bad", "good", "file", "weak", "strong"]
    assert names(seeds=2) == ["bad", "two", "good", "file", "weak", "strong"]
    assert names(without=["b*", "stron?"]) == ["good", "file", "weak"]


def test_the_order_does_not_depend_on_test(made):
    found = reports.read("*")
    for report in found:
        if report["split"] == "test":
            report["accuracy"] = 1 - report["accuracy"]
    assert [row.name for row in listed(found, RULES)] == names()


def test_three_columns_and_other_views_by_their_names(made):
    head, body = rows(recipes.table(listed(reports.read("*"), RULES), "views12"))
    assert head == ["recipe", "PublicTest, single view", "PrivateTest, single view", "PrivateTest, views12"]
    for column, key in enumerate((("val", "none"), ("test", "none"), ("test", "views12"))):
        three = [made[f"good-s{s}"][key] for s in range(3)]
        mean, spread = (100 * of([r["accuracy"] for r in three]) for of in (statistics.mean, statistics.stdev))
        low, high = (100 * statistics.mean(r["interval95"][end] for r in three) for end in (0, 1))
        assert body["good"][column] == f"{mean:.1f} ± {spread:.1f} ({low:.1f}–{high:.1f}; 3 seeds)"
    assert body["file, int8 file"][2] == "–"
    weak = made["weak"]["test", "views12-logit"]
    low, high = (100 * end for end in weak["interval95"])
    assert body["weak, 2 nets"] == ["–", "–", f"{100 * weak['accuracy']:.1f} ({low:.1f}–{high:.1f}), views12-logit"]


def test_of_several_sets_of_views_the_largest_where_the_usual_one_is_missing(made):
    put("some", "ensemble", views=("flip", "views24", "none"))
    (row,) = [row for row in listed(reports.read("*"), RULES) if row.name == "some"]
    assert row.several("test", "views12") == "views24"
    assert row.several("test", "flip") == "flip"
    assert row.best_known("test", "views12")[0] == "views24"


def test_the_published_rows_are_of_one_set_of_faces():
    chosen = listed(reports.read(str(RESULTS)), RULES)
    assert {row.kind for row in chosen} == set(recipes.KINDS)
    for split in ("val", "test"):
        assert len({r["faces_sha256"] for r in recipes.reports_of(chosen) if r["split"] == split}) == 1
    assert all(row.runs >= 3 for row in chosen if row.kind == "net")
