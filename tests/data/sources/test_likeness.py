"""Each layout's files, given as another layout, are named, and what is typed then reads them."""

import re
import shutil

import numpy as np
import pytest
import yaml

from ferlab.data import sources, store
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from tests.data.sources.raw import class_tree, made, noise, rows_of, save, write


def csv_of(root, name):
    write(root / name, rows_of(*made(6)))


def split_tree(root, names=EXPRESSIONS):
    for k, part in enumerate(("train", "val", "test")):
        for c, name in enumerate(names):
            save(root / part / str(name) / "1.png", noise(10 * k + c))


def named(root, *names):
    for i, name in enumerate(names):
        save(root / name, noise(i))


def table(root):
    named(root, *(f"images/{i}.png" for i in range(6)))
    rows = "".join(f"{i}.png,{EXPRESSIONS[i]}\n" for i in range(6))
    (root / "legend.csv").write_text("image,emotion\n" + rows)


def arrays(root):
    pixels, labels, _ = made()
    np.savez(root / "a.npz", x=pixels, y=np.array(EXPRESSIONS)[labels])


def affectnet(root):
    for name in ("train_set", "val_set"):
        for i in range(4):
            save(root / name / "images" / f"{i}.jpg", noise(i))
            (root / name / "annotations").mkdir(exist_ok=True)
            np.save(root / name / "annotations" / f"{i}_exp.npy", np.array(str(i)))


def ferplus(root):
    for name in ("FER2013Train", "FER2013Valid", "FER2013Test"):
        named(root, f"{name}/fer1.png")
        (root / name / "label.csv").write_text('fer1.png,"(0, 0, 48, 48)",0,10,0,0,0,0,0,0,0,0\n')


# How files are made; the layout that they look like, the options typed, and the number of faces.
FILES = {
    "fer2013": (lambda root: csv_of(root, "fer2013.csv"), "fer2013", None, 6),
    "fer2013_csv": (lambda root: csv_of(root, "my/faces.csv"), "fer2013_csv", None, 6),
    "image_folders": (split_tree, "image_folders", None, 21),
    "numbered": (lambda root: split_tree(root, range(1, 8)), "image_folders", "rafdb", 21),
    "contempt": (lambda root: split_tree(root, range(8)), "image_folders", "ferplus|affectnet|ck_plus|ckextended", 21),
    "class_folders": (class_tree, "class_folders", None, 28),
    "jaffe": (lambda root: named(root, "KA.HA1.1.tiff", "KL.HA1.2.tiff", "MK.HA1.3.tiff"), "jaffe", None, 3),
    "kdef": (lambda root: named(root, *(f"{n}/{n}HAS.JPG" for n in ("AF01", "AF02", "AM01"))), "kdef", None, 3),
    "ck48": (lambda root: named(root, *(f"happy/S{n:03d}_004_00000017.png" for n in (5, 10, 11))), "ck_plus", None, 3),
    "affectnet": (affectnet, "affectnet", None, 8),
    "ferplus": (ferplus, "ferplus", None, 3),
    "table": (table, "table", None, 6),
    "arrays": (arrays, "arrays", None, 30),
}  # fmt: skip


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(("make", "layout", "order", "count"), FILES.values(), ids=FILES)
def test_the_words_of_the_refusal_read_the_files(tmp_path, monkeypatch, make, layout, order, count, packed):
    path = tmp_path / "files"
    path.mkdir()
    make(path)
    if packed:
        shutil.make_archive(str(path), "zip", path)
        shutil.rmtree(path)
        path = tmp_path / "files.zip"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FerlabError) as error:
        sources.read("rafd", path.relative_to(tmp_path))
    message = str(error.value)
    assert f"It looks like {layout}: type 'data.sources=[" in message
    (entry,) = yaml.safe_load(re.search("data.sources=(.*)'$", message)[1])
    assert (entry["layout"], entry.get("label_order")) == (layout, order)
    if order and "|" in order:
        entry["label_order"] = "affectnet"
    faces = store.open_config({"root": str(tmp_path / "data"), "sources": [entry]})
    assert len(faces) == count


def test_no_likeness_is_added_where_the_layout_is_right_or_nothing_is_known(tmp_path):
    class_tree(tmp_path / "faces")
    (tmp_path / "faces" / "happy" / "0.png").write_text("no image")
    with pytest.raises(FerlabError, match=r"0\.png is no readable image .*(?<!type)$") as error:
        sources.read("class_folders", tmp_path / "faces")
    assert "looks like" not in str(error.value)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("words\n")
    with pytest.raises(FerlabError, match="holds no JAFFE image") as error:
        sources.read("jaffe", tmp_path / "notes")
    assert "looks like" not in str(error.value)


def test_fer2013_names_it_before_anything_is_read(tmp_path):
    csv_of(tmp_path, "faces.csv")
    with pytest.raises(FerlabError, match=r"no FER2013 in .* It looks like fer2013_csv: type .*faces\.csv"):
        sources.raw_files("fer2013", tmp_path)
