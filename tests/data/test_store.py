"""The store: the same faces as the source, rebuilt when and only when raw files change; and data configs."""

import json
import multiprocessing
import os
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from ferlab.data import sources, store
from ferlab.data.faces import Faces
from ferlab.errors import FerlabError
from tests.data.conftest import same, write_classes, write_csv


@pytest.mark.parametrize("verify", [True, False])
def test_a_store_gives_what_the_source_gives(tmp_path, raw, reads, verify):
    built = store.open_faces("fer2013", raw, tmp_path / "stores", "fer", verify)
    again = store.open_faces("fer2013", raw, tmp_path / "stores", "fer", verify)
    assert reads == ["fer2013"]
    direct = sources.read("fer2013", raw)
    assert same(built, direct)
    assert same(again, direct)
    assert isinstance(again.pixels, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        again.pixels[0, 0, 0] = 1
    note = json.loads((tmp_path / "stores" / "fer" / "store.json").read_text())
    assert note["raw"][0]["path"] == "fer2013.csv"
    assert note["raw"][0]["size"] == (raw / "fer2013.csv").stat().st_size
    assert note["faces"] == 12
    assert str(tmp_path) not in json.dumps(note)  # no private paths; a moved data folder stays good
    assert sorted(p.name for p in (tmp_path / "stores").iterdir()) == [".fer.lock", "fer"]


def test_names_of_files_are_kept(tmp_path):
    write_classes(tmp_path / "faces")
    opened = [store.open_faces("class_folders", tmp_path / "faces", tmp_path / "s", "faces") for _ in "ab"]
    assert same(*opened)
    assert opened[1].origin(5) == "disgust/1.png"


def test_it_is_rebuilt_only_when_raw_bytes_change(tmp_path, raw, reads):
    csv = raw / "fer2013.csv"

    def open_it(**options):
        return store.open_faces("fer2013", raw, tmp_path / "stores", "fer", **options)

    open_it()
    os.utime(csv, ns=(1, 1))  # touched: the sum is looked at, and the stamp renewed
    open_it()
    assert reads == ["fer2013"]
    assert json.loads((tmp_path / "stores/fer/store.json").read_text())["raw"][0]["mtime_ns"] == 1
    text = csv.read_bytes()
    csv.write_bytes(text[:-2] + b"T\n")  # same size, other bytes: PrivateTesT is no other Usage, but another file
    open_it()
    assert len(reads) == 2
    write_csv(csv, 13)
    assert len(open_it()) == 13
    assert len(reads) == 3
    open_it(strict=False)  # another option, another store
    assert len(reads) == 4
    open_it(strict=False)
    assert len(reads) == 4


def test_a_new_or_lost_image_rebuilds(tmp_path, reads):
    write_classes(tmp_path / "faces")

    def count():
        return len(store.open_faces("class_folders", tmp_path / "faces", tmp_path / "s", "faces"))

    assert count() == 28
    shutil.copy(tmp_path / "faces/sad/1.png", tmp_path / "faces/happy/new.png")
    assert count() == 29
    (tmp_path / "faces/happy/new.png").unlink()
    assert count() == 28
    (tmp_path / "faces/happy/.DS_Store").write_text("junk")
    assert count() == 28
    assert len(reads) == 3


def test_without_raw_files_the_store_serves(tmp_path, raw, caplog):
    before = store.open_faces("fer2013", raw, tmp_path / "stores", "fer")
    shutil.rmtree(raw)
    with caplog.at_level("INFO"):
        assert same(store.open_faces("fer2013", raw, tmp_path / "stores", "fer"), before)
    assert "raw files are gone" in caplog.text
    with pytest.raises(FerlabError, match="made with other options"):
        store.open_faces("fer2013", raw, tmp_path / "stores", "fer", strict=False)
    with pytest.raises(FerlabError, match=r"expected .*fer2013\.csv"):
        store.open_faces("fer2013", raw, tmp_path / "stores", "other")


def test_a_store_of_an_older_format_is_rebuilt_but_serves_without_its_raw_files(tmp_path, raw, reads, monkeypatch):
    monkeypatch.setattr(store, "FORMAT", store.FORMAT - 1)
    before = store.open_faces("fer2013", raw, tmp_path / "stores", "fer")
    monkeypatch.undo()
    monkeypatch.setattr(sources, "LAYOUTS", {**sources.LAYOUTS})
    note = tmp_path / "stores" / "fer" / "store.json"
    built = note.read_text()
    shutil.move(raw, tmp_path / "away")
    assert same(store.open_faces("fer2013", raw, tmp_path / "stores", "fer"), before)
    assert note.read_text() == built
    shutil.move(tmp_path / "away", raw)
    assert same(store.open_faces("fer2013", raw, tmp_path / "stores", "fer"), before)
    assert json.loads(note.read_text())["format"] == store.FORMAT


def _open_slowly(raw, stores, queue):
    read = sources.LAYOUTS["fer2013"]

    def slow(path, **options):
        queue.put("read")
        time.sleep(0.5)
        return read(path, **options)

    sources.LAYOUTS["fer2013"] = slow
    slow.__signature__ = __import__("inspect").signature(read)
    faces = store.open_faces("fer2013", raw, stores, "fer")
    queue.put(int(faces.pixels.sum()))


def test_two_processes_at_once_build_once(tmp_path, raw):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    them = [context.Process(target=_open_slowly, args=(raw, tmp_path / "stores", queue)) for _ in range(3)]
    for process in them:
        process.start()
    got = [queue.get(timeout=30) for _ in range(4)]
    for process in them:
        process.join(30)
        assert process.exitcode == 0
    assert got.count("read") == 1
    assert len({x for x in got if x != "read"}) == 1


def test_an_archive_is_a_raw_file_too(tmp_path, raw, reads):
    shutil.make_archive(str(tmp_path / "fer2013"), "gztar", raw)
    entry = [{"name": "fer2013", "layout": "fer2013", "path": "fer2013"}]
    for _ in range(2):
        assert len(opened(tmp_path, entry)) == 12  # data/fer2013.tar.gz in place of data/fer2013/
    assert reads == ["fer2013"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b"])
def test_bad_names(tmp_path, raw, name):
    with pytest.raises(FerlabError, match="store's name"):
        store.open_faces("fer2013", raw, tmp_path, name)


def test_opening_is_hundreds_of_times_cheaper_than_reading(tmp_path):
    raw = write_csv(tmp_path / "raw" / "fer2013.csv", 1500).parent

    def cpu(times, task):
        best = 9e9
        for _ in range(times):
            start = time.process_time()
            task()
            best = min(best, time.process_time() - start)
        return best

    reading = cpu(1, lambda: sources.read("fer2013", raw)) * 35_887 / 1500
    store.open_faces("fer2013", raw, tmp_path / "stores", "fer")
    assert reading > 200 * cpu(5, lambda: store.open_faces("fer2013", raw, tmp_path / "stores", "fer", verify=False))


# open_config

FER = {"name": "fer2013", "layout": "fer2013", "path": "fer2013"}
AUX = {"name": "aux", "layout": "class_folders", "path": "aux"}
JAFFE = {"name": "jaffe", "layout": "jaffe", "path": "jaffe"}


@pytest.fixture
def root(tmp_path):
    write_csv(tmp_path / "fer2013" / "fer2013.csv", 12)
    write_classes(tmp_path / "aux")
    return tmp_path


def opened(root, sources, auxiliary=(), **more):
    return store.open_config({"root": str(root), "sources": sources, "auxiliary": auxiliary, **more})


def test_one_source_stays_memory_mapped(root):
    faces = opened(root, [FER])
    assert isinstance(faces.pixels, np.memmap)
    assert faces.origin(3) == "row 3"


def test_auxiliary_faces_come_last_and_train_only(root, caplog):
    with caplog.at_level("INFO"):
        faces = opened(root, [FER], [JAFFE, AUX])
    main = sources.read("fer2013", root / "fer2013")
    assert np.array_equal(faces.pixels[:12], main.pixels)
    assert np.array_equal(faces.split[:12], main.split)
    assert len(faces) == 12 + 28
    assert not faces.split[12:].any()
    assert faces.origin(0) == "fer2013: row 0"
    assert faces.origin(12) == "aux-train: angry/0.png"
    assert "auxiliary jaffe: no " in caplog.text
    assert "aux-train: 28 faces" in caplog.text


def plant_twins(root):
    """In aux/happy/, rows 0 to 2 of fer2013.csv (train, val, test), row 1 mirrored and row 4 (val) re-encoded."""
    from PIL import Image

    main = sources.read("fer2013", root / "fer2013")
    folder = root / "aux" / "happy"
    for i in range(3):
        Image.fromarray(main.pixels[i]).save(folder / f"twin{i}.png")
    Image.fromarray(np.ascontiguousarray(main.pixels[1, :, ::-1])).save(folder / "twin3.png")
    Image.fromarray(main.pixels[4]).save(folder / "twin4.jpg", quality=60)


def test_auxiliary_twins_of_val_and_test_are_left_out(root, caplog):
    plant_twins(root)
    with caplog.at_level("INFO"):
        faces = opened(root, [FER], [JAFFE, AUX])
    kept = {faces.origin(i) for i in range(12, len(faces))}
    assert len(kept) == 29
    assert "aux-train: happy/twin0.png" in kept
    assert "left out 4 faces that also stand in val or test: 2 exact, 1 mirrored, 1 near" in caplog.text
    assert "29 faces for training: 4 angry, 4 disgust, 4 fear, 5 happy, 4 sad" in caplog.text
    assert "auxiliary jaffe: no " in caplog.text


def test_auxiliary_twins_of_val_and_test_can_be_refused(root):
    assert len(opened(root, [FER], [AUX], leaks="refuse")) == 12 + 28
    plant_twins(root)
    with pytest.raises(FerlabError) as error:
        opened(root, [FER], [AUX], leaks="refuse")
    assert str(error.value) == (
        "auxiliary faces also stand in val or test: aux-train: 4 of 33 faces (2 exact, 1 mirrored, 1 near), "
        "as happy/twin1.png, happy/twin2.png, happy/twin3.png. Leave them out with data.leaks=drop"
    )
    with pytest.raises(FerlabError, match=r"data\.leaks is 'keep'; choose drop, refuse"):
        opened(root, [FER], [AUX], leaks="keep")


def test_a_typed_label_order_is_for_the_main_data(root):
    faces = opened(root, [FER], [AUX], label_order="alphabetical")
    as_stated = opened(root, [{**FER, "label_order": "alphabetical"}], [AUX])
    assert same(faces, as_stated)
    plain = opened(root, [FER], [AUX])
    assert np.array_equal(faces.labels[:12], np.array([0, 1, 2, 3, 6, 4, 5])[plain.labels[:12]])
    assert np.array_equal(faces.labels[12:], plain.labels[12:])


def test_auxiliary_data_of_another_layout_name_their_key(root):
    shutil.move(root / "aux", root / "all")
    shutil.copytree(root / "all", root / "aux" / "train")
    with pytest.raises(FerlabError, match=r"It looks like image_folders: type 'data\.auxiliary=\[.*path: .*/aux"):
        opened(root, [FER], [AUX])


def test_subjects_of_different_data_sets_stay_different(tmp_path):
    from PIL import Image

    for i, name in enumerate(["KA", "KL", "MK"]):
        (tmp_path / "jaffe").mkdir(exist_ok=True)
        Image.fromarray(np.full((48, 48), i, np.uint8)).save(tmp_path / "jaffe" / f"{name}.HA1.{i}.tiff")
    other = {**JAFFE, "name": "jaffe2"}
    faces = opened(tmp_path, [JAFFE, other])
    assert faces.subject.tolist() == [0, 1, 2, 3, 4, 5]


def persons(root, each=4, n=10):
    """Class folders of files PERSON-N.png, `each` of every one of `n` persons."""
    rng = np.random.default_rng(3)
    for i in range(n * each):
        folder = root / ("happy", "sad")[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (48, 48), np.uint8)).save(folder / f"p{i // each:02d}-{i % each}.png")


WILD = {"name": "wild", "layout": "class_folders", "path": "wild", "groups": "subject", "val_share": 0.2}


def test_auxiliary_faces_without_those_of_their_own_val(root):
    persons(root / "wild")
    own = opened(root, [WILD | {"test_share": 0}])
    both = opened(root, [FER], [WILD | {"test_share": 0, "take": "train", "labels": "teacher"}])
    of_wild = both.take(np.array([file.startswith("wild-train: ") for file in both.files]))
    assert [len(own.of_split(split)) for split in ("train", "val", "test")] == [32, 8, 0]  # two of ten persons
    assert np.array_equal(of_wild.pixels, own.of_split("train").pixels)
    assert not of_wild.targets.any()
    assert not of_wild.split.any()
    others = both.take(~np.isin(both.row, of_wild.row))
    assert others.labelled.all()
    labelled = opened(root, [FER], [WILD | {"test_share": 0, "take": "train"}])
    assert labelled.labelled.all()


def test_a_source_that_may_be_absent(root, caplog):
    persons(root / "wild")
    test = {"name": "wild_test", "layout": "class_folders", "path": "wild_test", "split": "test", "optional": True}
    entry = WILD | {"test_share": 0}
    with caplog.at_level("INFO"):
        without = opened(root, [entry, test])
    assert "wild_test: no " in caplog.text
    assert same(without, opened(root, [entry]))
    write_classes(root / "wild_test", each=1, names=["happy"], seed=9)
    assert len(opened(root, [entry, test]).of_split("test")) == 1
    with pytest.raises(FerlabError, match="none of its sources is in"):
        opened(root, [test | {"path": "nowhere", "name": "nowhere"}])


def test_no_auxiliary_data_at_all_is_an_error(root):
    shutil.rmtree(root / "aux")
    with pytest.raises(FerlabError, match=r"at least one of .*jaffe, .*aux"):
        opened(root, [FER], [JAFFE, AUX])


def test_wrong_entries_are_named(root):
    for entry, message in [
        ({**FER, "paht": "x"}, "data.sources, fer2013: layout fer2013 knows no option paht; its options: strict"),
        ({**FER, "layout": "fer"}, "layout is 'fer'; choose one of fer2013"),
        ({"name": "fer2013", "layout": "fer2013"}, "lacks 'path'"),
        ({"layout": "fer2013", "path": "x"}, "lacks 'name'"),
    ]:
        with pytest.raises(FerlabError) as error:
            opened(root, [entry])
        assert message in str(error.value)
    with pytest.raises(FerlabError, match=r"data\.auxiliary, aux: .*no option splits"):
        opened(root, [FER], [{**AUX, "splits": "x"}])
    with pytest.raises(FerlabError, match="sources is empty"):
        opened(root, [])


def test_drawn_faces_are_known_by_their_options(tmp_path, reads):
    entry = {"name": "drawn", "layout": "drawn", "n_train": 9, "n_val": 8, "n_test": 7, "seed": 1}
    first = opened(tmp_path, [entry])
    assert isinstance(first, Faces)
    assert same(opened(tmp_path, [entry]), first)
    assert reads == ["drawn"]
    other = opened(tmp_path, [{**entry, "seed": 2}])
    assert len(other) == len(first) == 24
    assert not np.array_equal(other.pixels, first.pixels)
    assert len(reads) == 2


def test_a_typed_crop_is_for_those_who_take_it(root, reads):
    from PIL import Image

    wide = np.tile(np.arange(96, dtype=np.uint8), (48, 1))
    Image.fromarray(wide).save(root / "aux" / "happy" / "wide.png")

    def pixels(**more):
        faces = opened(root, [FER], [AUX], **more)
        return next(faces.pixels[i] for i in range(len(faces)) if faces.origin(i).endswith("wide.png"))

    assert np.array_equal(pixels(crop=None), wide[:, 24:72])
    assert pixels(crop="stretch")[:, 0].max() < 3
    with pytest.raises(FerlabError, match="crop is 'square'; choose one of centre, face, stretch"):
        pixels(crop="square")
    with pytest.raises(FerlabError, match="layout fer2013 knows no option crop"):
        opened(root, [FER], crop="face")


def test_ferlab_data_says_where_a_recorded_config_has_its_data_now(root, monkeypatch):
    data = {"root": "/gone", "sources": [FER]}
    monkeypatch.setenv("FERLAB_DATA", str(root))
    assert len(store.open_config(data, recorded=True)) == 12
    with pytest.raises(FerlabError, match="no FER2013 in /gone/fer2013"):
        store.open_config(data)  # its root was typed, or is FERLAB_DATA's already
    monkeypatch.delenv("FERLAB_DATA")
    assert len(store.open_config({**data, "root": str(root)}, recorded=True)) == 12
