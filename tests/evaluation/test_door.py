"""The one door: what is opened, in which views, and that a look at test is counted before it is taken."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ferlab.ensembling import subject
from ferlab.errors import FerlabError
from ferlab.evaluation import door
from ferlab.evaluation.door import Door
from ferlab.runs import directory, provenance


@pytest.fixture
def one(trained):
    return subject.of_run(directory.load(trained))


def looks(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def test_a_run_is_opened_with_its_faces_views_and_provenance(one, trained):
    opened = Door("val", ["none", "flip"], device="cpu").open(one)
    assert [view_set.title for view_set in opened.view_sets] == ["none", "flip"]
    assert len(opened.faces) == len(opened.twins) == 70
    of = opened.provenance
    assert (of.name, of.members, of.split, of.evaluated_on) == (trained.name, [trained.name], "val", "cpu")
    assert of.weights_sha256 == [one.runs[0].weights_sha256]
    assert (of.tta, of.looks_before) == (None, None)
    assert of.config == provenance.portable(one.runs[0].config, one.runs[0].config)


def test_val_is_looked_at_freely_and_test_is_counted(one, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    val = Door("val", device="cpu", ledger_path=ledger).open(one)
    assert val.look(["none"], []) is val
    opened = Door("test", device="cpu", ledger_path=ledger).open(one)
    assert not ledger.exists()  # to open is not to look
    first, second = opened.look(["none", "flip"], []), opened.look(["calibration"], [])
    assert [entry["tta"] for entry in looks(ledger)] == [["none", "flip"], ["calibration"]]
    assert (first.provenance.looks_before, second.provenance.looks_before) == (0, 1)
    assert opened.provenance.looks_before is None
    assert looks(ledger)[0]["weights_sha256"] == list(opened.provenance.weights_sha256)


def test_a_look_that_cannot_be_reported_is_not_taken(one, tmp_path):
    (tmp_path / "file").touch()
    ledger = tmp_path / "ledger.jsonl"
    opened = Door("test", device="cpu", ledger_path=ledger).open(one)
    with pytest.raises(FerlabError, match=r"could not write .*below a file \(Not a directory\)"):
        opened.look(["none"], [tmp_path / "reports", tmp_path / "file" / "below a file"])
    assert not ledger.exists()
    opened.look(["none"], [tmp_path / "reports"])
    assert not list((tmp_path / "reports").iterdir())
    assert len(looks(ledger)) == 1


def test_unfinished_runs_are_opened_alone_and_on_val_only(one):
    run = replace(one.runs[0], info={**one.runs[0].info, "status": "running"})
    alone = subject.of_run(run)
    assert len(Door("val", device="cpu").open(alone).faces) == 70
    for split, what in (("test", alone), ("val", subject.Subject((run, run)))):
        with pytest.raises(FerlabError, match="expected finished runs"):
            Door(split, device="cpu").open(what)


def test_other_data_are_named_in_the_provenance(one, monkeypatch):
    drawn = one.runs[0].config["data"]
    opened = Door("val", data={**drawn, "name": "others"}, device="cpu").open(one)
    assert opened.provenance.data == "others"
    assert opened.provenance.faces_sha256 == Door("val", device="cpu").open(one).provenance.faces_sha256


def test_each_of_several_is_opened_and_wrong_values_are_refused(one, trained):
    found = list(door.opened([str(trained), f"{trained.parent}/{trained.name}*"], Door("val", device="cpu")))
    assert [opened.subject.home for opened in found] == [Path(trained)]
    for arguments, message in (
        ({"split": "train"}, "choose val or test"),
        ({"split": "val", "device": "gpu"}, "choose auto, cpu or cuda"),
        ({"split": "test", "ledger_path": None}, "type ledger=FILE"),
    ):
        with pytest.raises(FerlabError, match=message):
            Door(**arguments)
    with pytest.raises(FerlabError, match="tta is 'views9'"):
        Door("val", "views9").open(one)
