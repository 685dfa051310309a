"""Runs and ensembles opened for studies: the folder, the ledger and what is refused."""

import json

import pytest

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.runs import directory
from ferlab.studies import opening, robustness


def test_a_study_of_test_is_in_the_ledger_and_of_one_run_or_ensemble_each(own_run, monkeypatch):
    config = {"runs": str(own_run), "split": "test", "device": "cpu", "ledger": "ledger.jsonl", "tta": "flip"}
    monkeypatch.chdir(own_run.parent)
    (study,) = opening.opened(config | {"runs": own_run.name}, "calibration")
    entry = json.loads((own_run.parent / "ledger.jsonl").read_text())
    assert (entry["runs"], entry["tta"]) == ([own_run.name], ["calibration"])
    assert study.folder.as_posix() == f"{own_run.name}/calibration/test-flip"
    assert len(study.faces) == 70
    folder = own_run.parent / "two"
    folder.mkdir()
    files.write_json(folder / directory.MEMBERS, [{"name": own_run.name, "path": own_run.name}] * 2)
    both = list(opening.opened(config | {"runs": ["two", own_run.name], "split": "val"}, "calibration"))
    assert [s.provenance.name for s in both] == ["two", own_run.name]
    (plain,) = opening.opened(config | {"runs": own_run.name, "split": "val", "tta": None}, "calibration")
    assert plain.folder.as_posix() == f"{own_run.name}/calibration/val-none"
    assert len((own_run.parent / "ledger.jsonl").read_text().splitlines()) == 1
    with pytest.raises(FerlabError, match="runs is not given"):
        next(opening.opened(config | {"runs": None}, "calibration"))
    with pytest.raises(FerlabError, match="split is 'train'; choose val or test"):
        next(opening.opened(config | {"split": "train"}, "calibration"))


def test_a_study_that_has_no_place_is_refused_before_the_look(own_run):
    (own_run / "calibration").touch()
    config = {"runs": str(own_run), "split": "test", "device": "cpu", "ledger": str(own_run / "ledger.jsonl")}
    with pytest.raises(FerlabError, match=r"could not write .*calibration/test"):
        next(opening.opened(config, "calibration"))
    assert not (own_run / "ledger.jsonl").exists()


def test_the_terminal_shows_the_sentences_of_each_study(own_run, monkeypatch):
    monkeypatch.chdir(own_run.parent)
    config = {"runs": own_run.name, "split": "val", "device": "cpu", "ledger": "ledger.jsonl", "tta": None}
    config |= {"corruptions": [], "strengths": [1], "batch_size": 64}
    first, path = opening.lines(config, "robustness", robustness.measure)
    written = json.loads((own_run / "robustness/val-none/robustness.json").read_text())["clean"]
    assert first.startswith("[bold]small[/] drawn · validation: clean ")
    assert first.endswith(f"of {written['n']}.")
    assert path == "  [dim]small/robustness/val-none/index.html[/]"
