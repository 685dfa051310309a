"""What runs= names: one subject or each, and what is refused before anything is measured."""

import json
from pathlib import Path

import pytest

from ferlab import files
from ferlab.ensembling import named
from ferlab.errors import FerlabError
from ferlab.runs import directory
from ferlab.training import teacher
from tests.conftest import measure
from tests.ensembling.conftest import choose, said
from tests.runs.test_directory import NEEDED


def add(name, status="finished", typed=None):
    path = Path("outputs") / name
    (path / directory.CHECKPOINTS).mkdir(parents=True)
    (path / directory.CHECKPOINTS / "best.ckpt").write_text(name)  # read by its checksum alone
    (path / directory.CONFIG).write_text(json.dumps({"name": typed or name, **NEEDED}))
    (path / directory.INFO).write_text(json.dumps({"status": status}))
    return path


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return [add(name) for name in ("a-s0", "a-s1", "b-s0")]


def test_one_run_is_itself_and_several_are_an_ensemble_without_a_directory(runs):
    one = named.as_one("outputs/a-s0")
    assert (one.is_run, one.home, one.name) == (True, runs[0], "a-s0")
    several = named.as_one(["outputs/a-*", "outputs/b-s0", "outputs/a-s0"])
    assert [run.name for run in several.runs] == ["a-s0", "a-s1", "b-s0"]
    assert (several.is_run, several.home, several.name) == (False, None, "a-s0__a-s1__b-s0")
    with pytest.raises(FerlabError, match="has no directory yet"):
        _ = several.folder
    assert named.as_one("outputs/*", key="teacher").home is None


def test_each_is_every_run_and_every_ensemble_by_itself(runs):
    folder = Path("outputs/ensembles/both")
    folder.mkdir(parents=True)
    listed = [{"name": path.name, "path": path.as_posix()} for path in runs[:2]]
    files.write_json(folder / directory.MEMBERS, listed)
    found = named.each(["outputs/ensembles/*", "outputs/a-*", "outputs/a-s0"])
    assert [(one.name, one.is_run, len(one.runs)) for one in found] == [
        ("both", False, 2),
        ("a-s0", True, 1),
        ("a-s1", True, 1),
    ]
    assert named.as_one(str(folder)).home == folder
    assert [run.name for run in named.as_one([str(folder), "outputs/b-s0"]).runs] == ["a-s0", "a-s1", "b-s0"]


def test_a_training_that_was_done_again_replaces_the_unfinished_one(runs, caplog):
    caplog.set_level("INFO")
    add("c-s0", status="failed")
    add("c-s0-2", typed="c-s0")
    assert named.as_one("outputs/c-s0*").name == "c-s0-2"
    assert "left out c-s0: unfinished, and c-s0-2 was trained in its place" in caplog.text
    add("a-s0-2", typed="a-s0")
    with pytest.raises(FerlabError, match="a-s0 and a-s0-2 are two trainings of one name"):
        named.as_one("outputs/a-s*")
    assert len(named.as_one(["outputs/a-s0", "outputs/a-s0-2"]).runs) == 2


@pytest.mark.parametrize("nothing", [None, "", []])
def test_nothing_is_asked_for_by_its_key(nothing):
    with pytest.raises(FerlabError, match=r"teacher is not given; type teacher=outputs/NAME.*or teacher=\[A,B\]"):
        named.as_one(nothing, key="teacher")


def test_weights_are_never_lost_silently(made):
    folder, _ = choose("best", "method=greedy", "greedy.size=2", "tta=none")
    for typed in ([str(folder), "outputs/plain-s0"], ["outputs/plain-s0", str(folder)]):
        with pytest.raises(FerlabError, match="frozen with weights and views of its own; give it alone"):
            measure(typed)
        with pytest.raises(FerlabError, match="give it alone, as teacher="):
            teacher.find(typed, "none", Path())
    (report,) = measure(str(folder), each=True)  # each by itself: the ensemble as it was frozen
    assert json.loads((report / "report.json").read_text())["ensemble_sha256"] == said(folder)["sha256"]
