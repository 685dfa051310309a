"""Written reports are found once, tested in pairs, and refused where they disagree."""

import json
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from ferlab.errors import FerlabError
from ferlab.metrics.statistics import mcnemar
from ferlab.reporting import markdown, reports
from tests.reporting.written import (
    made,  # noqa: F401
    write,
)


def test_reports_of_runs_and_ensembles_are_found_once(made):
    found = reports.read(["outputs/*", "outputs/*"])
    assert len(found) == len(made) == 11
    assert sorted({r["name"] for r in found}) == sorted({r["name"] for r in made})
    assert len(reports.read("outputs/ensembles/a__b")) == 1
    assert len(reports.read(["outputs/five_layer-fer2013-none-s0", "outputs/ensembles/a__b"])) == 3


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
        ("outputs/none*", r"python -m ferlab.evaluate 'runs=outputs/none\*'"),
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


@pytest.mark.parametrize(
    "change",
    [
        *({"name": value} for value in (None, 5, ["a"])),
        *({"split": value} for value in ("train", None, ["val"])),
        *({"tta": value} for value in (None, 5, ["none"])),
        *({"n": value} for value in ("500", -1, 2.5, None)),
        *({"accuracy": value} for value in ("0.7", 1.5, float("nan"))),
        *({"members": value} for value in ("a", [], [5])),
        *({"without_train_twins": value} for value in (3, {}, {"n": 3})),
        *({"interval95": value} for value in ([0.1], "x", [0.1, 0.2, 0.3])),
        *({"support": value} for value in ([1], {"happy": "many"})),
        {"weights_sha256": "x"},
        {"faces_sha256": 5},
        {"data": ["fer2013"]},
        {"config": "x"},
        {"environment": None},
    ],
)
def test_a_report_of_other_types_is_named(tmp_path, change):
    folder = tmp_path / "run/reports/val-none"
    told = write(folder, "run")
    (folder / "report.json").write_text(json.dumps(told | change))
    with pytest.raises(FerlabError, match=r"report\.json is no report: .*; write it again") as caught:
        reports.read(str(tmp_path / "run"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["objects", "empty", "floats", "longer", "deeper", "text", "archive"])
def test_right_faces_that_are_damaged_are_named(tmp_path, damage):
    write(tmp_path / "a/reports/x", "a")
    write(tmp_path / "b/reports/x", "b")
    file = tmp_path / "b/reports/x/correct.npy"
    correct = np.load(file)
    with file.open("wb") as out:
        if damage == "objects":
            np.save(out, np.array([{}] * 500, object), allow_pickle=True)
        elif damage == "text":
            out.write(b"correct")
        elif damage == "archive":
            np.savez(out, correct=correct)
        elif damage != "empty":
            np.save(out, {"floats": correct * 1.0, "longer": np.tile(correct, 2), "deeper": correct[None]}[damage])
    with pytest.raises(FerlabError, match=r"b/reports/x/correct.npy cannot be read .*; evaluate its run again"):
        reports.compare(reports.read(str(tmp_path / "?")))


def test_reports_that_disagree_are_refused(tmp_path):
    write(tmp_path / "a/reports/x", "same")
    write(tmp_path / "b/reports/x", "same")
    assert len(reports.read(str(tmp_path / "?"))) == 1
    write(tmp_path / "c/reports/x", "same", correct=1)
    with pytest.raises(FerlabError, match="both same, val, none"):
        reports.read(str(tmp_path / "?"))


def test_two_trainings_of_one_name_share_no_row(tmp_path):
    write(tmp_path / "one/reports/val-none", "same", "val", "none", weights_sha256=["a"])
    write(tmp_path / "two/reports/val-flip", "same", "val", "flip", weights_sha256=["b"])
    with pytest.raises(FerlabError, match=r"both called same, but of other weights; give only one of them"):
        reports.read(f"{tmp_path}/*")


def test_reports_of_several_label_systems_share_no_table(made):
    changed = "outputs/five_layer-fer2013-none-s0"
    for path in Path(changed).glob("reports/*/report.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"label_system": "ferplus"}))
    found = reports.read("outputs/*")
    text = reports.compare(found, split="test", tta="none")
    first, second = sorted(text.split("Measured with the labels of ")[1:])
    assert (first.partition(":")[0], second.partition(":")[0]) == ("fer2013", "ferplus")
    names = {r["name"] for r in found}
    for part, own in ((first, names - {Path(changed).name}), (second, {Path(changed).name})):
        others = [r for r in found if r["name"] in own]
        assert part.partition(":\n\n")[2].strip() == reports.compare(others, split="test", tta="none").strip()
    with pytest.raises(FerlabError, match="against='nobody' has no report"):
        reports.compare(found, against="nobody")


def test_reports_on_other_data_lie_apart_and_are_asked_for(made):
    own = reports.read("outputs/*")
    for name, n in (("five_layer-fer2013-none-s0", 3), ("senet50-fer2013+aux-none-s0", 5)):
        kept = next(p for p in Path("outputs", name, "reports").iterdir() if p.name.endswith("none"))
        there = Path("outputs", name, "elsewhere", "wild-val-none")
        there.mkdir(parents=True)
        (there / "report.json").write_text(
            json.dumps(json.loads((kept / "report.json").read_text()) | {"data": "wild", "split": "val", "correct": n})
        )
    assert reports.read("outputs/*") == own
    assert sorted(r["correct"] for r in reports.read("outputs/*", "wild")) == [3, 5]
    with pytest.raises(FerlabError, match=r"no elsewhere/rafdb-\*/report\.json; .* data=rafdb first"):
        reports.read("outputs/*", "rafdb")
