"""results/ as it is read, against the files that it was made from: every number, curve, config and study."""

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from ferlab.errors import FerlabError
from ferlab.reporting import published

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results"
# What stood in 1,061 files at commit f818bf9: numbers of all reports and tests, digests of all else.
BEFORE = json.loads(gzip.decompress((ROOT / "tests/golden/published_f818bf9.json.gz").read_bytes()))
# keys that reading adds to what report.json said
_MADE = ("predicted", "labels", "folder", "recall_interval95", "frequent_recall")


def digest(content) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@pytest.fixture(scope="module")
def entries():
    return {entry.row.name: entry for entry in published.read(RESULTS).entries}


@pytest.fixture(scope="module")
def reports(entries):
    return {(r["name"], r["split"], r["tta"]): r for entry in entries.values() for r in entry.reports}


def test_every_published_number_is_as_it_was(reports):
    assert len(BEFORE["reports"]) == 215
    for old in BEFORE["reports"]:
        new = reports[old["name"], old["split"], old["tta"]]
        assert {key: new[key] for key in old.keys() - {"whole", "right"}} == {
            key: value for key, value in old.items() if key not in ("whole", "right")
        }


def test_every_report_says_all_that_it_said(reports):
    for old in BEFORE["reports"]:
        told = {k: v for k, v in reports[old["name"], old["split"], old["tta"]].items() if k not in _MADE}
        if told["model"] == "ensemble":
            del told["run"]  # two members, trained again bit for bit, took other seconds at another commit
        assert digest(told) == old["whole"], old["name"]


def test_every_face_is_right_or_wrong_as_it_was(reports):
    for old in BEFORE["reports"]:
        new = reports[old["name"], old["split"], old["tta"]]
        right = new["predicted"] == new["labels"]
        assert hashlib.sha256(right.tobytes()).hexdigest()[:16] == old["right"], old["name"]


def test_every_config_run_and_curve_is_as_it_was(entries):
    assert len(BEFORE["runs"]) == 47
    for name, old in BEFORE["runs"].items():
        entry = entries[name]
        assert (digest(entry.config), digest(entry.info)) == (old["config"], old["run"]), name
        assert (len(entry.curves), digest(list(entry.curves))) == (old["epochs_logged"], old["curves"]), name


def test_every_study_is_as_it_was(entries):
    found = {(name, s.kind, s.place): digest(s.content) for name, entry in entries.items() for s in entry.studies}
    for old in BEFORE["studies"]:
        assert found[old["name"], old["kind"], old["place"]] == old["whole"]


def test_a_run_is_known_by_the_checksum_of_its_weights(entries):
    for name, entry in entries.items():
        for report in entry.reports:
            weights = report["weights_sha256"]
            chosen = report.get("ensemble_sha256")
            together = hashlib.sha256("\n".join(sorted(weights)).encode()).hexdigest()
            assert entry.row.sha256 == (weights[0] if len(weights) == 1 else chosen or together), name


def test_the_rows_say_what_the_documents_say(entries):
    for entry in entries.values():
        row, info = entry.row, entry.info
        if row.kind == "run":
            said = (row.model, row.data, row.class_weights, int(row.seed), row.commit)
            assert said == tuple(info[key] for key in ("model", "data", "class_weights", "seed", "commit"))
            said = (row.parameters, row.epochs, row.seconds, row.val_accuracy, row.device)
            known = tuple(info[key] for key in ("parameters", "epochs", "seconds", "val_accuracy"))
            assert said == (*known, info["environment"]["device"])
    assert {row.recipe for row in (e.row for e in entries.values()) if row.seed == "2"} >= {"five_layer", "resnet18"}


def test_the_folder_is_small():
    files = [path for path in RESULTS.rglob("*") if path.is_file()]
    assert len(files) <= 25
    assert max(path.stat().st_size for path in files) < 20e6


def test_nothing_is_read_where_nothing_was_published(tmp_path):
    assert published.read(tmp_path).entries == ()


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("runs.csv", lambda b: b.replace(b"weights_file", b"weights", 1), r"cannot read .*runs\.csv.*restore it"),
        ("measurements.csv", lambda b: b.replace(b",3589,", b",many,", 1), r"cannot read .*measurements\.csv"),
        ("configs.jsonl", lambda b: b[:-9], r"cannot read .*configs\.jsonl"),
        ("studies.jsonl", lambda b: b"{", r"cannot read .*studies\.jsonl"),
        ("conditions.json", lambda b: b"", r"cannot read .*conditions\.json"),
        ("predicted.npz", lambda b: b[:-99], r"cannot read .*predicted\.npz"),
    ],
)
def test_damaged_files_are_named(tmp_path, file, damage, message):
    copied(tmp_path)
    (tmp_path / file).write_bytes(damage((RESULTS / file).read_bytes()))
    with pytest.raises(FerlabError, match=message):
        published.read(tmp_path)


def test_counts_that_the_predictions_do_not_give_are_refused(tmp_path):
    copied(tmp_path)
    lines = (RESULTS / "measurements.csv").read_text().splitlines(keepends=True)
    number = lines[0].split(",").index("correct")
    cells = lines[1].split(",")
    lines[1] = ",".join([*cells[:number], "7", *cells[number + 1 :]])
    (tmp_path / "measurements.csv").write_text("".join(lines))
    with pytest.raises(FerlabError, match=r"says 7 of 3589 for .*, and predicted\.npz \d+ of 3589"):
        published.read(tmp_path)


@pytest.mark.parametrize(
    ("file", "damage"),
    [("configs.jsonl", lambda lines: lines[:-20]), ("measurements.csv", lambda lines: [*lines, lines[-1]])],
)
def test_files_that_do_not_belong_together_are_refused(tmp_path, file, damage):
    copied(tmp_path)
    (tmp_path / file).write_text("".join(damage((RESULTS / file).read_text().splitlines(keepends=True))))
    with pytest.raises(FerlabError, match=r"do not belong together: one of them lacks .*restore all of them"):
        published.read(tmp_path)


def test_every_measurement_on_a_test_split_stands_in_the_ledger(reports):
    looks = [json.loads(line) for line in (RESULTS / "ledger.jsonl").read_text().splitlines()]
    known = {tuple(sorted(look["weights_sha256"])) for look in looks}
    for (_, split, _), report in reports.items():
        assert split == "val" or tuple(sorted(report["weights_sha256"])) in known


def test_a_row_taken_out_by_hand_takes_its_run_out(tmp_path, entries):
    copied(tmp_path)
    lines = (RESULTS / "runs.csv").read_text().splitlines(keepends=True)
    (tmp_path / "runs.csv").write_text(
        "".join(line for line in lines if not line.startswith("baseline-fer2013-none-s0"))
    )
    left = {entry.row.name: entry for entry in published.read(tmp_path).entries}
    assert left.keys() == entries.keys() - {"baseline-fer2013-none-s0"}
    for name, entry in left.items():
        for new, old in zip(entry.reports, entries[name].reports, strict=True):
            np.testing.assert_array_equal(new["predicted"], old["predicted"])


def copied(folder):
    for path in RESULTS.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
