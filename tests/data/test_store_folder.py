"""A store on disk: damage is found, and nothing is half-written."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from ferlab.data import store, store_folder
from ferlab.errors import FerlabError
from tests.data.conftest import ARRAYS, write_csv
from tests.dying import deaths


@pytest.mark.parametrize("name", ARRAYS)
def test_damage_is_found(tmp_path, raw, name):
    def open_it(verify):
        return store.open_faces("fer2013", raw, tmp_path / "stores", "fer", verify)

    open_it(True)
    place = tmp_path / "stores" / "fer" / f"{name}.npy"
    whole = place.read_bytes()
    place.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(FerlabError, match=f"(?s){name}.npy has another sha256.*rm -r .*fer"):
        open_it(True)
    open_it(False)
    for bad in (whole[:-1], b""):
        place.write_bytes(bad)
        with pytest.raises(FerlabError, match=f"{name}.npy has .* bytes instead of"):
            open_it(False)
    place.unlink()
    with pytest.raises(FerlabError, match=r"is damaged.*rm -r"):
        open_it(False)
    shutil.rmtree(place.parent)
    assert len(open_it(True)) == 12


@pytest.mark.parametrize("note", ["", "{", "[]", "{}", '{"format": 1}'])
def test_half_a_store_is_built_anew(tmp_path, raw, note):
    folder = tmp_path / "stores" / "fer"
    store.open_faces("fer2013", raw, tmp_path / "stores", "fer")
    (folder / "store.json").write_text(note)
    (tmp_path / "stores" / ".fer.tmp-1-x").mkdir()
    (tmp_path / "stores" / ".fer.tmp-1-x" / "pixels.npy").write_text("half")
    assert len(store.open_faces("fer2013", raw, tmp_path / "stores", "fer")) == 12
    assert sorted(p.name for p in (tmp_path / "stores").iterdir()) == [".fer.lock", "fer"]


def test_a_process_killed_between_the_renames_loses_nothing(tmp_path, raw):
    store.open_faces("fer2013", raw, tmp_path / "stores", "fer")
    (tmp_path / "stores" / "fer").rename(tmp_path / "stores" / ".fer.old-7-x")
    shutil.rmtree(raw)
    assert len(store.open_faces("fer2013", raw, tmp_path / "stores", "fer")) == 12


@pytest.mark.parametrize("rebuilt", [False, True])
def test_wherever_a_build_is_killed_a_store_is_whole_and_the_next_leaves_nothing_else(tmp_path, raw, rebuilt):
    new = store.open_faces("fer2013", raw, tmp_path / "stores", "fer")
    old = new.take(np.arange(3))

    def folder_of(n: int) -> Path:
        stores = tmp_path / f"{n}"
        stores.mkdir()
        if rebuilt:
            with store_folder.locked(stores, "fer"):
                store_folder.write(stores / "fer", old, {"raw": [], "format": 0})
        return stores

    for stores in deaths(folder_of, lambda stores: store.open_faces("fer2013", raw, stores, "fer")):
        if note := store_folder.read_note(stores / "fer"):
            assert len(store_folder.load(stores / "fer", note, verify=True)) in (len(old), len(new))
        found = store.open_faces("fer2013", raw, stores, "fer")
        np.testing.assert_array_equal(found.pixels, new.pixels)
        assert {path.name for path in stores.iterdir()} <= {"fer", ".fer.lock"}
        assert {path.name for path in (stores / "fer").iterdir()} == {*(f"{name}.npy" for name in ARRAYS), "store.json"}


def test_a_folder_with_other_things_is_not_replaced(tmp_path, raw):
    (tmp_path / "stores" / "fer").mkdir(parents=True)
    (tmp_path / "stores" / "fer" / "thesis.tex").write_text("years of work")
    with pytest.raises(FerlabError, match=r"holds thesis\.tex.*move it away"):
        store.open_faces("fer2013", raw, tmp_path / "stores", "fer")
    assert (tmp_path / "stores" / "fer" / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("fails_at", ["save", "note", "rename"])
def test_a_full_disk_leaves_nothing_half_written(tmp_path, raw, monkeypatch, there, fails_at):
    def open_it():
        return store.open_faces("fer2013", raw, tmp_path / "stores", "fer")

    if there:
        open_it()
        write_csv(raw / "fer2013.csv", 15)
    with monkeypatch.context() as patch:
        save, rename = np.save, Path.rename

        def full(place, array):
            if array.dtype == np.float32:
                Path(place).write_bytes(b"half")
                raise OSError(28, "No space left on device")
            save(place, array)

        def refuse(*_):
            raise OSError(28, "No space left on device")

        def refuse_new(path, target):
            if ".tmp-" in path.name:
                refuse()
            return rename(path, target)

        if fails_at == "save":
            patch.setattr(np, "save", full)
        elif fails_at == "note":
            patch.setattr(store_folder, "write_note", refuse)
        else:
            patch.setattr(Path, "rename", refuse_new)
        with pytest.raises(FerlabError, match=r"(?s)cannot write the store .*No space left.*MB.*data.root"):
            open_it()
    left = sorted(p.name for p in (tmp_path / "stores").iterdir())
    assert left == ([".fer.lock", "fer"] if there else [".fer.lock"])
    if there:  # the old store is as it was
        assert json.loads((tmp_path / "stores/fer/store.json").read_text())["faces"] == 12
    assert len(open_it()) == (15 if there else 12)


def test_a_read_only_folder_of_stores_serves(tmp_path, raw, monkeypatch):
    store.open_faces("fer2013", raw, tmp_path / "stores", "fer")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(store_folder.FileLock, "acquire", refuse)
    monkeypatch.setattr(store_folder, "write_note", refuse)
    os.utime(raw / "fer2013.csv", ns=(1, 1))
    assert len(store.open_faces("fer2013", raw, tmp_path / "stores", "fer")) == 12
    with pytest.raises(FerlabError, match=r"cannot write the store .*Permission denied"):
        store.open_faces("fer2013", raw, tmp_path / "stores", "other")
