"""The rules that all layouts of image files share."""

import logging
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferlab.data import sources
from ferlab.data.sources.images import Item
from ferlab.data.sources.reading import Reading
from ferlab.errors import FerlabError
from tests.data.sources.raw import class_tree, noise, save


def items(folder, labels, **more):
    return [Item(save(folder / f"{i}.png", noise(i)), label, **more) for i, label in enumerate(labels)]


def test_items_become_faces(tmp_path, caplog):
    people = ["KB", "KA", "KC", "KA", "KD", "KA"]
    made = [
        Item(item.file, item.label, subject=person)
        for item, person in zip(
            items(tmp_path, ["Happiness", "6 sad", "contempt", "HA", "joy", "fea"]), people, strict=True
        )
    ]
    with caplog.at_level("INFO"):
        faces = Reading().faces(tmp_path, made)
    assert faces.labels.tolist() == [3, 4, 3, 3, 2]
    assert list(faces.files) == ["0.png", "1.png", "3.png", "4.png", "5.png"]
    assert all(np.array_equal(faces.pixels[i], noise(int(faces.origin(i)[0]))) for i in range(5))
    assert faces.subject.tolist() == [1, 0, 0, 2, 0]
    assert len({(s, c) for s, c in zip(faces.subject, faces.split, strict=True)}) == len(set(faces.split)) == 3
    assert "left out 1 faces of classes that FER2013 lacks" in caplog.text
    with pytest.raises(FerlabError, match="'smile' is no expression"):
        Reading().faces(tmp_path, items(tmp_path, ["smile"]))
    with pytest.raises(FerlabError, match="only of classes that FER2013 lacks"):
        Reading().faces(tmp_path, items(tmp_path, ["contempt"] * 3))


def test_bytes_stand_for_a_file(tmp_path):
    content = save(tmp_path / "away" / "1.png", noise(7)).read_bytes()
    item = Item(tmp_path / "a.parquet, row 3", "happy", split=2, content=content)
    faces = Reading().faces(tmp_path / "away", [item])
    assert np.array_equal(faces.pixels[0], noise(7))
    assert (faces.split.tolist(), faces.origin(0)) == ([2], "a.parquet, row 3")
    with pytest.raises(FerlabError, match=r"a\.parquet, row 3 is no readable image"):
        Reading().faces(tmp_path, [Item(item.file, "happy", content=b"text")])


@pytest.mark.parametrize("layout", ["image_folders", "class_folders", "ck_plus", "jaffe", "kdef", "rafd"])
def test_each_layout_takes_the_shared_options(layout):
    shared = {"split", "seed", "strict", "val_share", "test_share", "crop"}
    numbered = {"label_order"} if layout.endswith("folders") else set()
    assert shared | numbered <= set(sources.options_of(layout))
    if not numbered:
        with pytest.raises(FerlabError, match="knows no option label_order"):
            sources.check_options(layout, ["label_order"])
    assert ("views" in sources.options_of(layout)) == (layout in ("kdef", "rafd"))


def test_files_that_are_not_read_are_counted_and_named(tmp_path, caplog):
    class_tree(tmp_path)
    assert not caplog.text
    (tmp_path / "README.txt").write_text("read me")
    with caplog.at_level("INFO"):
        assert len(sources.read("class_folders", tmp_path)) == 28
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("INFO", f"{tmp_path}: left out 1 files that are none of its faces, as README.txt")
    ]
    caplog.clear()
    save(tmp_path / "stray.PNG", noise(99))
    for part in ("train", "test"):
        class_tree(tmp_path / "split" / part)
    class_tree(tmp_path / "split" / "extra", ["happy"])
    sources.read("image_folders", tmp_path / "split")
    assert "left out 4 files that are none of its faces, as extra/happy/0.png, extra/happy/1.png" in caplog.text
    caplog.clear()
    with pytest.raises(FerlabError, match="'split' is no expression"):
        sources.read("class_folders", tmp_path)
    assert "left out 2 files that are none of its faces, as README.txt, stray.PNG" in caplog.text


NAMES = st.tuples(
    st.sampled_from(["train/", "train/", "Validation/", "test/", "extra/"]),
    st.sampled_from(["", "happy/", "Sadness/", "contempt/"]),
    st.sampled_from([*(f"{i}.png" for i in range(24)), "PublicTest_1.png", "PrivateTest_2.png", "notes.txt"]),
).map("".join)


def stated(name):
    """The split that a path tells, None where it is of train or has to be divided."""
    if "PublicTest" in name or name.startswith("Validation/"):
        return 1
    return 2 if "PrivateTest" in name or name.startswith("test/") else None


@settings(max_examples=40)
@given(st.lists(NAMES, min_size=6, max_size=14, unique=True))
def test_of_any_tree_each_file_is_read_or_counted_and_in_its_split(names):
    messages = []
    log = logging.getLogger("ferlab.data.sources.reading")
    log.addFilter(keep := lambda record: messages.append(record.getMessage()) or True)
    log.setLevel(logging.INFO)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for number, name in enumerate(names):
                save(Path(folder) / "wrap" / name, noise(number), format="PNG")
            faces = sources.read("image_folders", Path(folder))
    except FerlabError:
        return  # names and folders contradict each other, or there is no train
    finally:
        log.removeFilter(keep)
        log.setLevel(logging.NOTSET)
    counted = sum(int(n) for text in messages for n in re.findall(r"left out (\d+) ", text))
    assert len(faces) + counted == len(names)
    splits = [stated(name) for name in faces.files]
    for name, code, split in zip(faces.files, faces.split, splits, strict=True):
        if split is not None:
            assert code == split, name
        else:  # train, or a part of it where val or test is not there
            assert name.startswith("train/")
            assert code == 0 or code not in splits
