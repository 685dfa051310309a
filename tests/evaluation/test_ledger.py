import contextlib
import errno
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from ferlab.errors import FerlabError
from ferlab.evaluation.ledger import entries, known, look


def _look(path, weights=("a",), data="fer2013", **kwargs):
    arguments = {"runs": ["r"], "split": "test", "commit": "c0ffee", "tta": ["none"]}
    return look(path, weights_sha256=list(weights), data=data, **{**arguments, **kwargs})


def test_an_entry_says_what_was_looked_at(tmp_path):
    path = tmp_path / "deep" / "ledger.jsonl"
    entry = _look(path, tta=["none", "flip"])
    assert json.loads(path.read_text()) == entry
    assert entry["runs"] == ["r"]
    assert entry["commit"] == "c0ffee"
    assert entry["tta"] == ["none", "flip"]
    assert entry["time"].endswith("+00:00")


def test_looks_before_are_counted_by_weights_and_by_data(tmp_path):
    path = tmp_path / "ledger.jsonl"
    counts = [
        (e["looks_before"], e["looks_before_at_data"])
        for e in (
            _look(path, "a"),
            _look(path, "a"),
            _look(path, "b"),
            _look(path, "ab"),
            _look(path, "ba"),  # the same ensemble, named in another order
            _look(path, "a", data="drawn"),
        )
    ]
    assert counts == [(0, 0), (1, 1), (0, 2), (0, 3), (1, 4), (2, 0)]


def test_looks_at_once_are_all_written(tmp_path):
    path = tmp_path / "ledger.jsonl"
    with ThreadPoolExecutor(8) as pool:
        before = list(pool.map(lambda _: _look(path)["looks_before"], range(24)))
    assert sorted(before) == list(range(24))
    assert len(entries(path)) == 24


@pytest.mark.parametrize("split", ["val", "train", "Test"])
def test_only_looks_at_test_are_counted(tmp_path, split):
    with pytest.raises(ValueError, match=repr(split)):
        _look(tmp_path / "ledger.jsonl", split=split)
    assert not list(tmp_path.iterdir())


def test_the_ledgers_beside_the_runs_are_known(tmp_path):
    runs = [tmp_path / "outputs" / "demo" / "a", tmp_path / "outputs" / "ensembles" / "b", tmp_path / "outputs" / "c"]
    assert known(None, runs) is None
    first, second = tmp_path / "outputs" / "ledger.jsonl", tmp_path / "outputs" / "demo" / "ledger.jsonl"
    _look(first, "a")
    _look(second, "b")
    assert sorted(entry["weights_sha256"] for entry in known(None, runs)) == [["a"], ["b"]]
    assert [entry["weights_sha256"] for entry in known(None, runs[1:])] == [["a"]]
    assert [entry["weights_sha256"] for entry in known(second, runs)] == [["b"]]
    assert known(tmp_path / "none", runs) is None


def test_half_a_line_is_taken_back_where_the_disk_refuses_the_rest(tmp_path, monkeypatch):
    path = tmp_path / "ledger.jsonl"
    _look(path)
    before = path.read_bytes()

    def full(descriptor):
        assert path.read_bytes() != before
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(FerlabError, match=r"could not write .*ledger.jsonl \(No space left.*free some space"):
            _look(path)
    assert path.read_bytes() == before
    assert _look(path)["looks_before"] == 1


@pytest.mark.parametrize("refuses", ["full", "read-only"])
def test_a_disk_that_refuses_leaves_the_ledger_as_it_was(disk, refuses):
    folder = disk("16k")
    path = folder / "ledger.jsonl"
    _look(path, weights=("b" * 3800,))  # nearly a page: the next line begins in it and needs another
    before = path.read_bytes()
    if refuses == "full":
        with contextlib.suppress(OSError):
            (folder / "rest").write_bytes(bytes(1 << 20))
    else:
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    with pytest.raises(FerlabError, match=r"could not write .*ledger.jsonl \((No space|Read-only)"):
        _look(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", '{"time": 1, "weights_', "7"])
def test_a_damaged_line_is_named_and_nothing_is_added(tmp_path, line):
    path = tmp_path / "ledger.jsonl"
    _look(path)
    path.write_text(path.read_text() + line + "\n")
    before = path.read_text()
    with pytest.raises(FerlabError, match="line 2"):
        _look(path)
    assert path.read_text() == before
