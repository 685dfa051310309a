"""What lies on disk of a run is found, passed over or named as damaged."""

import json

import pytest

from ferlab.errors import FerlabError
from ferlab.reporting import describing, records
from tests.reporting.summaries import NAMES, STUDENT, page_of
from tests.reporting.written import write
from tests.unpacked import ENTRIES, RESULTS, unpacked


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (None, "runs is not given; type runs=outputs/NAME"),
        ([], "runs is not given"),
        (["outputs/nothing*"], r"runs='outputs/nothing\*' matches no directory with run.json or a report.json"),
        (["results/nothing*"], r"runs='results/nothing\*' matches no published run; .* in results: .*resnet18-fer"),
        (["results/*.md"], "matches no published run"),
        ([f"results/{STUDENT}", f"docs/../results/{STUDENT}"], "are both called .*; give only one of them"),
    ],
)
def test_patterns_that_name_nothing_or_one_run_twice_are_refused(patterns, message, monkeypatch):
    monkeypatch.chdir(RESULTS.parent)
    with pytest.raises(FerlabError, match=message):
        records.find(patterns)


def test_published_runs_are_named_as_if_each_were_a_folder(monkeypatch):
    monkeypatch.chdir(RESULTS.parent)
    names = [record.name for record in records.find("results")]
    assert names == [record.name for record in records.find("results/*")] == sorted(ENTRIES)
    assert [record.name for record in records.find(["results/resnet18-fer2013-none-s?", "results/best"])] == [
        *NAMES[1:],
        "best",
    ]


def test_a_glob_passes_over_what_is_no_run(tmp_path):
    unpacked(STUDENT, tmp_path)
    (tmp_path / "table.md").write_text("text")
    (tmp_path / "sweeps").mkdir()
    assert [record.name for record in records.find(str(tmp_path / "*"))] == [STUDENT]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("run.json", "{", "is no run directory"),
        ("reports/val-none/report.json", "{", "is no report"),
        ("reports/val-none/report.json", None, "lacks recall, precision.*python -m ferlab.evaluate runs=.*split=val"),
        ("explain/val/explain.json", "[]", r"explain.json has another type of content"),
        ("explain/val/explain.json", "{}", "lacks data, split, weights_sha256; .*python -m ferlab.explain"),
    ],
)
def test_damaged_files_are_named(tmp_path, file, content, message):
    folder = unpacked(STUDENT, tmp_path)
    if content is None:
        report = json.loads((folder / file).read_text())
        content = json.dumps({k: report[k] for k in ("name", "split", "tta", "n", "correct", "accuracy")})
    (folder / file).write_text(content)
    with pytest.raises(FerlabError, match=message):
        page_of(tmp_path, folder, split="val", tta="none")


@pytest.mark.parametrize(
    "change",
    [
        {"confusion_matrix": [[0] * 6] * 6},
        {"confusion_matrix": [[0.5] * 7] * 7},
        {"confusion_matrix": "x"},
        {"recall": {"happy": 0.5}},
        {"f1": {f"class {k}": 0.5 for k in range(7)}},
        {"reliability": [5]},
        {"reliability": [{"n": 1}]},
        {"interval95": None, "ece": "small"},
        {"interval_method": 5},
        {"data": None},
    ],
)
def test_what_a_page_could_not_show_is_named_with_its_command(tmp_path, change):
    folder = unpacked(STUDENT, tmp_path)
    file = folder / "reports/val-none/report.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    (record,) = records.find(str(folder))
    with pytest.raises(FerlabError, match=r"report.json .*python -m ferlab.evaluate runs=.*split=val tta=none"):
        record.report("val", "none")


@pytest.mark.parametrize("name", ["../../../x", "/abs/x", "..", "a\0b", "a/b", "x" * 300, "a\nb"])
def test_no_card_is_written_where_a_report_says(tmp_path, name):
    inside = tmp_path / "deep" / "er"
    folder = write(inside / "model" / "reports" / "val-none", name) and inside / "model"
    before = set(tmp_path.rglob("*"))
    config = {"runs": str(folder), "out": str(inside / "cards"), "ledger": "none.jsonl", "split": None, "tta": None}
    with pytest.raises(FerlabError, match=r"the name in .*model is .*; use letters"):
        describing.describe(config)
    assert set(tmp_path.rglob("*")) == before
