"""Runs and ensembles opened for studies: the folder, the ledger and what is refused."""

import json

import pytest

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.runs import directory
from ferlab.studies import opening, robustness


def test_a_study_of_test_is_in_the_ledger_and_of_one_run_or_ensemble_each(trained, monkeypatch):
    config = {"runs": str(trained), "split": "test", "device": "cpu", "ledger": "ledger.jsonl", "tta": "flip"}
    monkeypatch.chdir(trained.parent)
    (study,) = opening.opened(config | {"runs": trained.name}, "calibration")
    entry = json.loads((trained.parent / "ledger.jsonl").read_text())
    assert (entry["runs"], entry["tta"]) == ([trained.name], ["calibration"])
    assert study.folder.as_posix() == f"{trained.name}/calibration/test-flip"
    assert len(study.faces) == 70
    folder = trained.parent / "two"
    folder.mkdir()
    files.write_json(folder / directory.MEMBERS, [{"path": trained.name}, {"path": trained.name}])
    both = list(opening.opened(config | {"runs": ["two", trained.name], "split": "val"}, "calibration"))
    assert [s.provenance.name for s in both] == ["two", trained.name]
    (plain,) = opening.opened(config | {"runs": trained.name, "split": "val", "tta": None}, "calibration")
    assert plain.folder.as_posix() == f"{trained.name}/calibration/val-none"
    assert len((trained.parent / "ledger.jsonl").read_text().splitlines()) == 1
    with pytest.raises(FerlabError, match="runs is not given"):
        next(opening.opened(config | {"runs": None}, "calibration"))
    with pytest.raises(FerlabError, match="split is 'train'; choose val or test"):
        next(opening.opened(config | {"split": "train"}, "calibration"))


def test_the_terminal_shows_the_sentences_of_each_study(trained, monkeypatch):
    monkeypatch.chdir(trained.parent)
    config = {"runs": trained.name, "split": "val", "device": "cpu", "ledger": "ledger.jsonl", "tta": None}
    config |= {"corruptions": [], "strengths": [1], "batch_size": 64}
    first, path = opening.lines(config, "robustness", robustness.measure)
    written = json.loads((trained / "robustness/val-none/robustness.json").read_text())["clean"]
    assert first.startswith("[bold]small[/] drawn · validation: clean ")
    assert first.endswith(f"of {written['n']}.")
    assert path == "  [dim]small/robustness/val-none/index.html[/]"
