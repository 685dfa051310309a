"""Class folders by any name, and Kaggle's folders with two splits in test/."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from ferlab.data import sources
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from tests.data.sources.raw import class_tree, noise, save


@pytest.mark.parametrize("form", ["{}", "{:.3}", "{} faces", "upper", "number"])
def test_class_folders_by_any_known_name(tmp_path, form):
    names = {
        "upper": [e.upper() for e in EXPRESSIONS],
        "number": [f"{k} {e}" for k, e in enumerate(EXPRESSIONS)],
        "{:.3}": ["ang", "dis", "fea", "hap", "sa", "sur", "neu"],
        "{}": ["anger", "Disgust", "fearful", "Happiness", "sadness", "surprised", "neutral"],
    }.get(form)
    if names is None:
        with pytest.raises(FerlabError, match=r"'angry faces' is no expression.*Rename"):
            sources.read("class_folders", class_tree(tmp_path, [f"{e} faces" for e in EXPRESSIONS]))
        return
    faces = sources.read("class_folders", class_tree(tmp_path, names), split="train")
    assert faces.class_counts("train") == dict.fromkeys(EXPRESSIONS, 4)
    for i in range(len(faces)):
        k = faces.labels[i]
        assert faces.origin(i) == f"{names[k]}/{i % 4}.png"
        assert np.array_equal(faces.pixels[i], noise(100 * k + i % 4))


def people_tree(root, people=10, each=3):
    for k, name in enumerate(EXPRESSIONS):
        for person in range(people):
            for i in range(each):
                save(root / name / f"p{person:02d}-{1000 + i}.png", noise(1000 * k + 10 * person + i))
    return root


def test_class_folders_are_split_by_the_person_in_the_name(tmp_path):
    faces = sources.read("class_folders", people_tree(tmp_path), groups="subject", val_share=0.1, test_share=0.2)
    person = [int(faces.origin(i).split("/")[1][1:3]) for i in range(len(faces))]
    assert faces.subject.tolist() == person
    of_split = [set(faces.subject[faces.split == s].tolist()) for s in range(3)]
    assert [len(people) for people in of_split] == [7, 1, 2]
    assert len(set.union(*of_split)) == 10
    by_face = sources.read("class_folders", tmp_path, val_share=0.1, test_share=0.2)
    assert [int((by_face.split == s).sum()) for s in range(3)] == [147, 21, 42]
    assert any(len(set(by_face.split[faces.subject == p].tolist())) > 1 for p in range(10))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": "subject"}, r"0\.png: expected a name like p01-7\.png"),
        ({"groups": "people"}, "groups is 'people'; choose face or subject"),
        ({"val_share": 0.5, "test_share": 0.5}, "leave none of 28 to train on"),
    ],
)
def test_groups_and_shares_that_cannot_be(tmp_path, options, message):
    with pytest.raises(FerlabError, match=message):
        sources.read("class_folders", class_tree(tmp_path), **options)


def test_class_folders_are_split_by_a_seeded_hash(tmp_path):
    class_tree(tmp_path, each=20)
    shutil.copy(tmp_path / "sad" / "3.png", tmp_path / "angry" / "copy.png")
    a, b, c = (sources.read("class_folders", tmp_path, seed=s) for s in (0, 0, 1))
    assert np.array_equal(a.split, b.split)
    assert not np.array_equal(a.split, c.split)
    assert [(a.split == s).sum() for s in (1, 2)] == [14, 14]
    twins = [i for i, face in enumerate(a.pixels) if np.array_equal(face, noise(403))]
    assert len(twins) == 2
    assert len(set(a.split[twins])) == 1  # identical images never part


def test_junk_is_passed_over_and_contempt_left_out(tmp_path, caplog):
    class_tree(tmp_path / "wrapped" / "faces", ["happy", "sad", "contempt"])
    for name in (".DS_Store", "happy/.DS_Store", "happy/Thumbs.db", "sad/._0.png", "sad/desktop.ini"):
        (tmp_path / "wrapped" / "faces" / name).write_text("junk")
    (tmp_path / "__MACOSX" / "happy").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    with caplog.at_level("INFO"):
        faces = sources.read("class_folders", tmp_path)
    assert len(faces) == 8
    assert "left out 4 faces" in caplog.text


def test_loops_of_links_end(tmp_path):
    class_tree(tmp_path, ["happy", "sad"])
    (tmp_path / "happy" / "again").symlink_to(tmp_path / "happy")
    (tmp_path / "sad" / "up").symlink_to(tmp_path)
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "loop").symlink_to(tmp_path / "only")
    with pytest.raises(FerlabError, match="only"):
        sources.read("class_folders", tmp_path / "only")
    shutil.rmtree(tmp_path / "only")
    (tmp_path / "sad" / "up").unlink()
    assert len(sources.read("class_folders", tmp_path)) == 8
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "linked").symlink_to(tmp_path / "happy")
    (tmp_path / "elsewhere" / "linked").rename(tmp_path / "elsewhere" / "happy")
    assert len(sources.read("class_folders", tmp_path / "elsewhere", split="train")) == 4


def test_folders_without_classes_or_images(tmp_path):
    with pytest.raises(FerlabError, match=r"holds no class folder.*angry, disgust"):
        sources.read("class_folders", tmp_path)
    (tmp_path / "happy").mkdir()
    with pytest.raises(FerlabError, match="no images"):
        sources.read("class_folders", tmp_path)
    save(tmp_path / "happy" / "1.png", noise(0))
    with pytest.raises(FerlabError, match="split: train"):
        sources.read("class_folders", tmp_path)  # one face makes no three splits
    assert len(sources.read("class_folders", tmp_path, split="train")) == 1
    with pytest.raises(FerlabError, match="choose one of train, val, test"):
        sources.read("class_folders", tmp_path, split="training")
    with pytest.raises(FerlabError, match="is no folder"):
        sources.read("class_folders", tmp_path / "nowhere")
    class_tree(tmp_path / "train", ["happy"])
    with pytest.raises(FerlabError, match="image_folders"):
        sources.read("class_folders", tmp_path)


def kaggle(root):
    for i, usage in enumerate(["Training", "PublicTest", "PrivateTest"] * 7):
        part = "train" if usage == "Training" else "test"
        save(root / part / EXPRESSIONS[i // 3] / f"{usage}_{i}.png", noise(i))
    return root


@pytest.mark.parametrize("layout", ["image_folders", "fer2013"])
def test_the_split_stands_in_the_file_name(tmp_path, layout):
    faces = sources.read(layout, kaggle(tmp_path))
    assert [(faces.split == s).sum() for s in range(3)] == [7, 7, 7]
    for i in range(21):
        number = int(Path(faces.origin(i)).stem.split("_")[1])
        assert faces.split[i] == number % 3
        assert faces.labels[i] == number // 3
        assert np.array_equal(faces.pixels[i], noise(number))


def test_names_without_a_split_are_an_error(tmp_path):
    kaggle(tmp_path)
    path = save(tmp_path / "test" / "happy" / "17.png", noise(0))
    with pytest.raises(FerlabError, match=r"happy/17\.png: .*PublicTest_"):
        sources.read("fer2013", tmp_path)
    path.unlink()
    path = save(tmp_path / "train" / "happy" / "PrivateTest_1.png", noise(0))
    with pytest.raises(FerlabError, match=r"_1\.png is of PrivateTest by its name and of train by its folder"):
        sources.read("image_folders", tmp_path)
    path.rename(path.with_name("17.png"))
    assert len(sources.read("image_folders", tmp_path)) == 22  # train/ is enough
    shutil.rmtree(tmp_path / "test")
    with pytest.raises(FerlabError, match="no FER2013 in"):
        sources.read("fer2013", tmp_path)
    shutil.rmtree(tmp_path / "train")
    class_tree(tmp_path / "faces", ["happy"])
    with pytest.raises(FerlabError, match="expected train/CLASS and test/CLASS, found happy"):
        sources.read("image_folders", tmp_path)


@pytest.mark.parametrize(
    ("val", "test"), [("validation", "test"), ("val", "Testing"), ("VALID", "test_set"), ("PublicTest", "PrivateTest")]
)
@pytest.mark.parametrize("layout", ["image_folders", "fer2013"])
def test_folders_of_three_splits(tmp_path, layout, val, test):
    """With FER2013's file names every folder is read; the names agree with the folders."""
    for i, usage in enumerate(["Training", "PublicTest", "PrivateTest"] * 7):
        folder = {"Training": "train", "PublicTest": val, "PrivateTest": test}[usage]
        save(tmp_path / folder / EXPRESSIONS[i // 3] / f"{usage}_{i}.png", noise(i))
    faces = sources.read(layout, tmp_path)
    assert [(faces.split == s).sum() for s in range(3)] == [7, 7, 7]
    for i in range(21):
        number = int(Path(faces.origin(i)).stem.split("_")[1])
        assert (faces.split[i], faces.labels[i]) == (number % 3, number // 3)
    (wrong,) = (tmp_path / test / "sad").iterdir()
    wrong.rename(tmp_path / val / "sad" / wrong.name)
    with pytest.raises(FerlabError, match=r"is of PrivateTest by its name and of val by its folder"):
        sources.read(layout, tmp_path)


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (["train", "val", "test"], [140, 28, 28]),
        (["train", "val"], [126, 28, 14]),
        (["train", "test"], [126, 14, 28]),
        (["train"], [112, 14, 14]),
    ],
    ids=str,
)
def test_val_or_test_that_is_not_there_is_a_tenth_of_train(tmp_path, folders, expected):
    for k, folder in enumerate(folders):
        for c, name in enumerate(EXPRESSIONS):
            for i in range(20 if folder == "train" else 4):
                save(tmp_path / "data" / folder / name / f"{i}.png", noise(1000 * k + 100 * c + i))
    faces = sources.read("image_folders", tmp_path)
    assert [(faces.split == s).sum() for s in range(3)] == expected
    for i in range(len(faces)):
        if (folder := faces.origin(i).split("/")[0]) != "train":
            assert faces.split[i] == {"val": 1, "test": 2}[folder]
    assert set(sources.read("image_folders", tmp_path, split="train").split) == {0}


def test_classes_may_be_numbers(tmp_path, caplog):
    names = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")  # RAF-DB's 1 to 7
    for part, n in (("train", 20), ("test", 3)):
        for number in range(1, 8):
            for i in range(n):
                save(
                    tmp_path / part / str(number) / f"{part}_{i}_aligned.jpg",
                    np.full((100, 100), 30 * number, np.uint8),
                )
    with pytest.raises(FerlabError, match=r"the numbers 1 to 7, and nothing shows.*label_order, one of rafdb, or"):
        sources.read("image_folders", tmp_path)
    faces = sources.read("image_folders", tmp_path, label_order="rafdb", val_share=0.2)
    assert len(faces) == 161
    for face, label in zip(faces.pixels, faces.labels, strict=True):
        assert EXPRESSIONS[label] == names[round(face.mean() / 30) - 1]
    assert (faces.split == 2).sum() == 21
    with pytest.raises(FerlabError, match=r"class 7 is none of the label order fer2013"):
        sources.read("image_folders", tmp_path, label_order="fer2013")
    assert len(sources.read("image_folders", tmp_path, label_order="fer2013", strict=False)) == 138
    assert "left out 23 faces of classes 7, which the label order lacks" in caplog.text
    class_tree(tmp_path / "named")
    with pytest.raises(FerlabError, match="its classes have names, and label_order is for numbers"):
        sources.read("class_folders", tmp_path / "named", label_order="rafdb")
    save(tmp_path / "named" / "3" / "1.png", noise(0))
    with pytest.raises(FerlabError, match="'3' is no expression"):
        sources.read("class_folders", tmp_path / "named")


def test_class_folders_obey_the_splits_that_names_tell(tmp_path):
    for i, usage in enumerate(["Training", "PublicTest", "PrivateTest"] * 7):
        save(tmp_path / EXPRESSIONS[i // 3] / f"{usage}_{i}.png", noise(i))
    faces = sources.read("class_folders", tmp_path)
    numbers = [int(Path(faces.origin(i)).stem.split("_")[1]) for i in range(21)]
    assert faces.split.tolist() == [number % 3 for number in numbers]
    with pytest.raises(
        FerlabError, match=r"PrivateTest_2\.png is of FER2013's PrivateTest by its name, and split is train"
    ):
        sources.read("class_folders", tmp_path, split="train")  # as auxiliary data are read
    save(tmp_path / "happy" / "17.png", noise(99))
    with pytest.raises(
        FerlabError, match=r"17\.png: its name should begin with Training_, PublicTest_ or PrivateTest_"
    ):
        sources.read("class_folders", tmp_path)


def test_class_folders_obey_the_splits_that_folders_in_them_tell(tmp_path):
    for k, name in enumerate(EXPRESSIONS):
        for s, part in enumerate(("train", "val", "test")):
            save(tmp_path / name / part / "more" / "1.png", noise(10 * k + s))
    faces = sources.read("class_folders", tmp_path)
    assert faces.split.tolist() == [{"train": 0, "val": 1, "test": 2}[name.split("/")[1]] for name in faces.files]
    save(tmp_path / "happy" / "test" / "train" / "1.png", noise(99))
    with pytest.raises(FerlabError, match="lies in folders of two splits"):
        sources.read("class_folders", tmp_path)
