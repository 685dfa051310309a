"""An exported file is measured as runs are, and its look at test is counted by its own checksum."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ferlab import evaluate
from ferlab.deploy import exporting
from ferlab.errors import FerlabError
from ferlab.evaluation import exported
from ferlab.evaluation.door import Door
from ferlab.expressions import EXPRESSIONS
from ferlab.inference.onnx_model import OnnxModel, rgba_of
from ferlab.pages import report_page
from ferlab.runs import directory
from tests.composing import composed


@pytest.fixture(scope="module")
def file(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    words = [
        f"runs={trained}",
        f"out={folder}",
        f"outputs={folder}",
        "parity_faces=20",
        "precision=fp16",
        "name=shipped",
    ]
    (path,) = exporting.export(composed(*words, command="export"))
    return path


@pytest.fixture(autouse=True)
def no_page(monkeypatch):
    monkeypatch.setattr(report_page, "write", lambda folder, *_: folder / "index.html")


@pytest.fixture
def copied(file, tmp_path):
    """A copy of the file, and a function that changes its JSON."""
    for suffix in (".onnx", ".json"):
        shutil.copy(file.with_suffix(suffix), tmp_path / f"copied{suffix}")
    path = tmp_path / "copied.onnx"

    def change(**changes):
        kept = json.loads(path.with_suffix(".json").read_text())
        path.with_suffix(".json").write_text(json.dumps(kept | changes))
        return path

    return change


def measured(path, split="val", outputs=Path("outputs"), ledger="ledger.jsonl", skip_measured=False):
    return exported.evaluate_exported(path, Door(split, ledger_path=ledger), outputs, skip_measured)


def test_an_exported_model_is_measured_as_a_run_is(trained, file, tmp_path):
    folder = measured(file, outputs=tmp_path)
    assert folder == tmp_path / "exported/shipped/reports/val-none"
    told, val = json.loads((folder / "report.json").read_text()), directory.load(trained).faces().of_split("val")
    expected = OnnxModel.open(file)(rgba_of(val.pixels))
    np.testing.assert_allclose(np.load(folder / "probabilities.npy"), expected, atol=1e-3)
    assert told["correct"] == (expected.argmax(1) == val.labels).sum()
    assert told["weights_sha256"] == [hashlib.sha256(file.read_bytes()).hexdigest()]
    assert told["members"] == [trained.name]


def test_a_look_at_test_stands_in_the_ledger_and_is_not_taken_twice(trained, file, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    for skip in (False, True):
        folder = measured(file, "test", outputs=tmp_path, ledger=ledger, skip_measured=skip)
    (entry,) = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert entry["weights_sha256"] == [hashlib.sha256(file.read_bytes()).hexdigest()]
    assert (entry["runs"], entry["data"], entry["split"]) == (["shipped"], "drawn", "test")
    assert json.loads((folder / "report.json").read_text())["looks_before"] == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"expressions": [*EXPRESSIONS[1:], EXPRESSIONS[0]]}, "answers in the order disgust"),
        ({"sha256": "0" * 64}, "not of one export"),
    ],
)
def test_a_model_with_another_json_is_refused_before_a_look(copied, tmp_path, changes, said):
    with pytest.raises(FerlabError, match=said):
        measured(copied(**changes), "test", outputs=tmp_path, ledger=tmp_path / "ledger.jsonl")
    assert not (tmp_path / "ledger.jsonl").exists()


def everything(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


RUN = {
    "name": "a",
    "config": {"model": {"net": {}, "input": {"mean": [], "std": []}}, "data": {"root": "x", "sources": []}},
    "info": {},
}


@pytest.mark.parametrize(
    "changes",
    [
        {"tta": "x/../../../../../out"},
        {"tta": "/abs"},
        {"tta": ".."},
        {"tta": "a\0b"},
        {"tta": "x" * 300},
        {"tta": None},
        {"tta": ["none"]},
        {"runs": None},
        {"runs": []},
        {"runs": [5]},
        {"runs": [RUN | {"name": "../a"}]},
        {"runs": [RUN | {"name": None}]},
        {"runs": [RUN | {"config": {}}]},
        {"runs": [RUN | {"info": {"parameters": "many"}}]},
        {"data": ["fer2013"]},
        {"val": None},
        {"val": {"accuracy": "high"}},
        {"val_faces_sha256": 5},
        {"precision": {}},
        {"commit": []},
        {"views": "none"},
    ],
)
def test_a_foreign_json_writes_nothing_elsewhere_and_is_one_line(copied, tmp_path, monkeypatch, changes):
    inside = tmp_path / "deep" / "er" / "still"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    path = copied(**changes)
    before = everything(tmp_path)
    with pytest.raises(FerlabError, match=r"copied\.json") as caught:
        measured(path, "test")
    assert "\n" not in str(caught.value)
    assert everything(tmp_path) == before


def test_a_foreign_json_chooses_no_folder_of_data(copied, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = copied()
    run = json.loads(path.with_suffix(".json").read_text())["runs"][0]
    run["config"]["data"]["root"] = str(tmp_path / "elsewhere")
    assert measured(copied(runs=[run])).is_dir()
    assert not (tmp_path / "elsewhere").exists()
    assert (tmp_path / "data" / "stores").is_dir()


def test_an_accuracy_that_is_not_the_stated_one_is_an_error(copied, tmp_path):
    path = copied()
    measured(path, outputs=tmp_path)
    stated = json.loads(path.with_suffix(".json").read_text())["val"]
    copied(val=stated | {"accuracy": stated["accuracy"] - 0.01})
    with pytest.raises(FerlabError, match="of the val faces, and states"):
        measured(path, outputs=tmp_path)


def test_weights_are_typed_alone():
    config = composed("weights=x.onnx", "tta=flip", command="evaluate")
    with pytest.raises(FerlabError, match="leave out tta"):
        list(evaluate._exported(config))


def test_other_data_need_no_training_faces_and_state_both_label_systems(trained, copied, tmp_path, monkeypatch):
    path = copied()
    other = directory.load(trained).config["data"] | {"name": "others", "root": str(trained.parent)}
    monkeypatch.setattr(directory.Run, "faces", lambda run: (_ for _ in ()).throw(FerlabError("not here")))
    found = exported.evaluate_exported(path, Door("val", data=other, ledger_path="l"), tmp_path)
    assert found == tmp_path / "exported/copied/elsewhere/others-val-none"
    told = json.loads((found / "report.json").read_text())
    stated = json.loads(path.with_suffix(".json").read_text())
    assert told["correct"] == stated["val"]["correct"]  # they are the same faces under another name
    assert (told["label_system"], told["trained_label_system"], stated["label_system"]) == ("others", "drawn", "drawn")


def test_answers_weighed_for_known_shares_have_a_name_and_a_report_of_their_own(trained, file, tmp_path):
    own = measured(file, outputs=tmp_path)
    wanted = [1, 0, 1, 1, 1, 1, 5]
    found = exported.evaluate_exported(file, Door("val", ledger_path="l"), tmp_path, priors=wanted)
    assert (own.parents[1].name, found.parents[1].name) == ("shipped", "shipped-priors")
    told, learned = json.loads((found / "report.json").read_text()), json.loads(file.with_suffix(".json").read_text())
    val = directory.load(trained).faces().of_split("val")
    expected = OnnxModel.open(file)(rgba_of(val.pixels)) * np.array(wanted) / np.array(learned["priors"])
    assert told["correct"] == (expected.argmax(1) == val.labels).sum()
    assert told["priors"] == [share / 10 for share in wanted]
    assert "priors" not in json.loads((own / "report.json").read_text())
    named = exported.evaluate_exported(file, Door("val", ledger_path="l"), tmp_path, priors="uniform")
    assert json.loads((named / "report.json").read_text())["name"] == "shipped-uniform"
