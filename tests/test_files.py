"""Files that are whole or as before, whatever happens while they are written."""

import csv
import hashlib
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from ferlab import files
from ferlab.errors import FerlabError
from tests.dying import deaths


def test_an_error_while_writing_leaves_what_was_there(tmp_path):
    path = tmp_path / "deep" / "file"
    files.write_bytes(path, b"before")
    with pytest.raises(TypeError), files.replacing(path) as file:
        file.writelines([b"half", None])
    assert path.read_bytes() == b"before"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("fails", ["open", "replace"])
def test_a_disk_that_refuses_is_named_and_leaves_what_was_there(tmp_path, monkeypatch, fails):
    path = tmp_path / "file"
    files.write_bytes(path, b"before")

    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os if fails == "replace" else files.Path, fails, refuse)
    with pytest.raises(FerlabError, match=r"could not write .*file .*No space left.*free some space"):
        files.write_bytes(path, b"after")
    monkeypatch.undo()
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_of_several_files_none_is_replaced_where_one_cannot_be_written(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    files.write_together(tmp_path, {"first": b"1", "second": b"2"})
    assert (first.read_bytes(), second.read_bytes()) == (b"1", b"2")
    with pytest.raises(FerlabError, match="could not write"):
        files.write_together(tmp_path, {"first": b"3", "second/below a file": b"4"})
    assert first.read_bytes() == b"1"
    assert {path.name for path in tmp_path.iterdir()} == {"first", "second"}


def test_wherever_a_process_is_killed_several_files_are_all_old_or_all_new(tmp_path):
    names = ("a", "below/b", "c")

    def folder_of(n: int) -> Path:
        folder = tmp_path / f"{n}"
        files.write_together(folder, dict.fromkeys(names, b"old"))
        return folder

    found = []
    for folder in deaths(folder_of, lambda folder: files.write_together(folder, dict.fromkeys(names, b"new"))):
        files.settle(folder)
        [content] = {(folder / name).read_bytes() for name in names}
        found.append(content)
        files.write_together(folder, dict.fromkeys(names, b"newer"))
        assert {path.name for path in folder.rglob("*")} == {"a", "below", "b", "c"}
        assert (folder / "a").read_bytes() == b"newer"
    assert found == sorted(found, reverse=True)  # from some change on it is new
    assert set(found) == {b"old", b"new"}


def test_wherever_a_process_is_killed_a_record_is_the_old_or_the_new_one(tmp_path):
    def folder_of(n: int) -> Path:
        files.write_json(tmp_path / f"{n}" / "run.json", {"status": "running"})
        return tmp_path / f"{n}"

    for folder in deaths(folder_of, lambda folder: files.write_json(folder / "run.json", {"status": "finished"})):
        assert json.loads((folder / "run.json").read_text())["status"] == "running"


NO_NAMES = [
    *("", ".", "..", "../x", "a/b", "/abs", "a\\b", "a\0b", "a\nb", "a\x1b[31mb", "a\u202eb", "a\ud800"),
    *("a" * 201, "é" * 101, None, 7, 1.5, True, ["a"], {"a": 1}, b"a"),
]
ONLY_FOUND = ["a b", "a=b", ".hidden", "-rf", "+x", "<img>", "a,b", "[a]", "..."]


@pytest.mark.parametrize("name", NO_NAMES)
@pytest.mark.parametrize("found", [False, True])
def test_what_is_no_name_is_refused_in_one_line(name, found):
    with pytest.raises(FerlabError, match=r"^the name of x is .*use letters, digits") as caught:
        files.refuse_name(name, "the name of x", found)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("name", ONLY_FOUND)
def test_a_typed_name_can_be_typed_again_and_a_found_one_stays_in_its_folder(name, tmp_path):
    with pytest.raises(FerlabError, match="use letters, digits"):
        files.refuse_name(name)
    files.refuse_name(name, found=True)
    (tmp_path / name).mkdir()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a", "7", "_", "a-s0", "a.b+c_d-2", "a..b", "é" * 100, "面", "a" * 200])
def test_names(name):
    files.refuse_name(name)
    files.refuse_name(name, found=True)


@pytest.mark.parametrize("content", ["", "{", "[" * 200_000, '{"a":' * 200_000, b"\xff", None])
def test_json_that_is_damaged_is_one_line(content, tmp_path):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FerlabError, match=r"x.json cannot be read \(.+\); type this$"):
        files.read_json(path, "type this")


def test_a_table_and_an_array_are_read_back(tmp_path):
    rows = [["name", "faces"], ["a,\nb", "3"], [os.fsdecode(b"\xe9"), ""]]
    files.write_csv(tmp_path / "table.csv", rows)
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [*rows[:2], ["\\udce9", ""]]
    array = np.arange(6, dtype=np.float16).reshape(2, 3)
    files.write_array(tmp_path / "array.npy", array)
    np.testing.assert_array_equal(np.load(tmp_path / "array.npy"), array)


def test_room_is_asked_for_before_the_work(disk):
    folder = disk("1m")
    files.refuse_unwritable(folder / "new", 500_000)
    assert not list((folder / "new").iterdir())
    with pytest.raises(FerlabError, match=r"could not write .*new \(No space left on device\); free some space"):
        files.refuse_unwritable(folder / "new", 2_000_000)
    assert not list((folder / "new").iterdir())
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    with pytest.raises(FerlabError, match=r"\(Read-only file system\); look at the path"):
        files.refuse_unwritable(folder / "new", 1)


def test_text_that_is_as_before_keeps_its_time(tmp_path):
    path = tmp_path / "text"
    files.write_text(path, "naïve")
    os.utime(path, (1, 1))
    files.write_text(path, "naïve")
    assert path.stat().st_mtime == 1
    files.write_text(path, "other")
    assert path.read_text(encoding="utf-8") == "other"
    assert path.stat().st_mtime > 1


def test_scalars_of_numpy_and_torch_are_numbers_in_json(tmp_path):
    path = tmp_path / "x.json"
    files.write_json(path, {"a": np.float32(0.5), "b": torch.tensor(3), "c": np.bool_(True)})
    assert json.loads(path.read_text()) == {"a": 0.5, "b": 3, "c": True}
    with pytest.raises(TypeError, match="does not go into JSON"):
        files.write_json(path, {"a": np.zeros(2)})
    assert files.sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photos/Ümlaut 写真\u3000 -=+.png", "photos/Ümlaut 写真\u3000 -=+.png"),
        (os.fsdecode(b"caf\xe9.png"), "caf\\udce9.png"),  # what errors="backslashreplace" writes
        ("\x1b[31mred\nline\t\x7f\x9b", "\\x1b[31mred\\nline\\t\\x7f\\x9b"),
        ("gpj\u202e.exe", "gpj\\u202e.exe"),
    ],
)
def test_a_file_name_is_shown_as_one_line_of_utf8(name, expected):
    assert files.shown(name) == expected
    assert files.shown(name).encode("utf-8", "strict").isascii() == expected.isascii()
    assert name == expected or name.encode("utf-8", "surrogatepass") != files.shown(name).encode()
