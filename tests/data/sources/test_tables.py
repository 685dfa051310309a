"""Tables of image files and labels as published data sets have them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferlab.data import sources
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from tests.data.sources.raw import noise, picture, save

NAMES = ("Happiness", "SAD", "neutral", "anger", "surprise", "fear", "disgust")


def made(root, n=21, folder="images", name="{}.png"):
    """Faces of noise, one after the other of these classes; (file, class) of each."""
    return [(save(root / folder / name.format(i), noise(i)), NAMES[i % 7]) for i in range(n)]


def same(faces, pairs):
    """Whether the faces are these, in this order."""
    expected = [["happy", "sad", "neutral", "angry", "surprise", "fear", "disgust"][NAMES.index(k)] for _, k in pairs]
    assert [EXPRESSIONS[k] for k in faces.labels] == expected
    for pixels, (file, _) in zip(faces.pixels, pairs, strict=True):
        assert np.array_equal(pixels, Image.open(file))


def written(path, rows, header="image,emotion", separator=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [header.replace(",", separator), *(separator.join(map(str, row)) for row in rows)]
    path.write_text("\n".join(line for line in lines if line) + "\n")
    return path


@pytest.mark.parametrize(
    ("table", "header", "separator"),
    [
        ("labels.csv", "image,emotion", ","),
        ("a/labels.tsv", "file_name,label", "\t"),
        ("legend.csv", "Image Path,Expression", ";"),
        ("list.txt", "", " "),
    ],
)
def test_a_table_in_any_form(tmp_path, caplog, table, header, separator):
    pairs = made(tmp_path)
    (tmp_path / "README.txt").write_text("read me first\n")
    written(tmp_path / table, [(file.name, k) for file, k in pairs], header, separator)
    save(tmp_path / "images" / "unlisted.png", noise(99))
    same(sources.read("table", tmp_path, split="train"), pairs)
    assert "left out 2 files that are none of its faces, as README.txt, images/unlisted.png" in caplog.text
    assert set(sources.read("table", tmp_path).split) == {0, 1, 2}


def test_splits_persons_and_further_columns(tmp_path):
    pairs = made(tmp_path)
    rows = [(i, f"p{i % 5}", f"images/{f.name}", k, ["train", "Validation", "PrivateTest"][i % 3])
            for i, (f, k) in enumerate(pairs)]  # fmt: skip
    written(tmp_path / "t.csv", rows, "id,subject,path,label,Usage")
    faces = sources.read("table", tmp_path)
    same(faces, pairs)
    assert faces.split.tolist() == [i % 3 for i in range(21)]
    assert faces.subject.tolist() == [i % 5 for i in range(21)]
    rows[4] = (*rows[4][:4], "later")
    written(tmp_path / "t.csv", rows, "id,subject,path,label,Usage")
    with pytest.raises(FerlabError, match=r"t\.csv, line 6: split is 'later'; expected train, val or test"):
        sources.read("table", tmp_path)
    written(tmp_path / "t.csv", [row[:4] for row in rows], "id,who,bild,gefühl")
    with pytest.raises(FerlabError, match=r"t\.csv, line 1: expected a column .* found id, who, bild, gefühl"):
        sources.read("table", tmp_path)
    faces = sources.read("table", tmp_path, columns={"file": "bild", "label": "gefühl", "subject": "who"})
    same(faces, pairs)
    assert all(len(set(faces.split[faces.subject == s])) == 1 for s in range(5))


def test_raf_db_as_published(tmp_path):
    """EmoLabel/list_patition_label.txt, whose names lack the _aligned of Image/aligned, and Image/original."""
    numbers = {"surprise": 1, "fear": 2, "disgust": 3, "happy": 4, "sad": 5, "angry": 6, "neutral": 7}
    rows, expected = [], {}
    for i, (name, number) in enumerate([*numbers.items()] * 4):
        stem = f"{'test' if i % 4 == 3 else 'train'}_{i:05d}"
        save(tmp_path / "basic/Image/aligned" / f"{stem}_aligned.jpg", np.full((100, 100), 8 * i, np.uint8))
        save(tmp_path / "basic/Image/original" / f"{stem}.jpg", np.full((200, 300), 255, np.uint8))
        rows.append((f"{stem}.jpg", number))
        expected[f"{stem}_aligned.jpg"] = (name, 8 * i, 2 if i % 4 == 3 else 0)
    written(tmp_path / "basic/EmoLabel/list_patition_label.txt", rows, "", " ")
    with pytest.raises(FerlabError, match=r"the numbers 1 to 7, .* one of rafdb"):
        sources.read("table", tmp_path)
    faces = sources.read("table", tmp_path, label_order="rafdb")
    assert len(faces) == 28
    for i in range(28):
        name, grey, split = expected[Path(faces.origin(i)).name]
        assert EXPRESSIONS[faces.labels[i]] == name
        assert abs(int(faces.pixels[i].mean()) - grey) <= 1
        assert faces.split[i] == split or (split, faces.split[i]) == (0, 1)  # val is a part of train
    assert set(faces.split) == {0, 1, 2}


def test_expw_as_published(tmp_path):
    """label/label.lst: several faces of a photograph, each with its box as top, left, right, bottom."""
    photo = picture(150, 200)
    save(tmp_path / "image/origin" / "crowd_1.png", photo)
    save(tmp_path / "image/origin" / "alone_2.png", photo.T.copy())
    rows = [("crowd_1.png", 0, 10, 20, 80, 70, 99.5, 3), ("crowd_1.png", 1, 40, 100, 180, 120, 60.1, 6)]
    rows += [("alone_2.png", 0, 5, 6, 96, 95, 20.7, 0)]
    written(tmp_path / "label/label.lst", rows, "", " ")
    faces = sources.read("table", tmp_path, label_order="fer2013", split="train")
    assert [EXPRESSIONS[k] for k in faces.labels] == ["happy", "neutral", "angry"]
    for found, image, (_, _, top, left, right, bottom, *_) in zip(
        faces.pixels, [photo, photo, photo.T], rows, strict=True
    ):
        cut = Image.fromarray(image[top:bottom, left:right]).resize((48, 48), Image.Resampling.BILINEAR)
        assert np.abs(found.astype(int) - np.asarray(cut)).max() <= 1


def test_affectnets_csv(tmp_path):
    """subDirectory_filePath with folders, a box, and classes beyond contempt, which are no expressions."""
    header = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    rows = []
    for i in range(9):
        save(tmp_path / f"Manually_Annotated/{i}/{i}.jpg", np.full((60, 80), 20 * i, np.uint8))
        rows.append((f"{i}/{i}.jpg", 10, 5, 50, 50, "1;2", i, 0.1, -0.2))
    written(tmp_path / "training.csv", rows, header)
    with pytest.raises(FerlabError, match=r"8\.jpg: class 8 is none of the label order affectnet"):
        sources.read("table", tmp_path, label_order="affectnet", split="train")
    faces = sources.read("table", tmp_path, label_order="affectnet", split="train", strict=False)
    expected = ["neutral", "happy", "sad", "surprise", "fear", "disgust", "angry"]
    assert [EXPRESSIONS[k] for k in faces.labels] == expected
    assert np.abs(faces.pixels.mean((1, 2)) - 20 * np.arange(7)).max() <= 1


def test_muxspaces_legend(tmp_path):
    """The annotator, the image and the expression in any case; images of any size; contempt is left out."""
    words = ["anger", "HAPPINESS", "Contempt", "surprise", "SADNESS", "fear", "disgust", "neutral"]
    rows = [(f"user{i % 3}", f"Person_{i:04d}.jpg", word) for i, word in enumerate(words * 3)]
    for i, (_, name, _) in enumerate(rows):
        save(tmp_path / "images" / name, np.full((350, 260 + i), 9 * i, np.uint8))
    written(tmp_path / "data" / "legend.csv", rows, "user.id,image,emotion")
    faces = sources.read("table", tmp_path)
    expected = ["angry", "happy", "surprise", "sad", "fear", "disgust", "neutral"] * 3
    assert [EXPRESSIONS[k] for k in faces.labels] == expected
    assert np.abs(faces.pixels.mean((1, 2)) - 9 * np.delete(np.arange(24), [2, 10, 18])).max() <= 1
    assert set(faces.subject) == {-1}  # who labelled is not who is shown


def test_several_tables_are_splits_or_have_to_be_chosen(tmp_path):
    pairs = made(tmp_path)
    for part, rows in (("train_labels", pairs[:14]), ("test_labels", pairs[14:])):
        written(tmp_path / f"{part}.csv", [(f.name, k) for f, k in rows])
    faces = sources.read("table", tmp_path, val_share=0.3)
    same(faces, pairs[14:] + pairs[:14])
    assert faces.split.tolist()[:7] == [2] * 7
    assert set(faces.split.tolist()[7:]) == {0, 1}
    same(sources.read("table", tmp_path, table="train_labels.csv", split="train"), pairs[:14])
    written(tmp_path / "more.csv", [(pairs[0][0].name, "happy")])
    with pytest.raises(FerlabError, match=r"3 tables: more\.csv, test_labels\.csv, train_labels\.csv; give the one"):
        sources.read("table", tmp_path)
    with pytest.raises(FerlabError, match=r"none\.csv is not there"):
        sources.read("table", tmp_path, table="none.csv")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("9.png,happy", "line 23: 9.png stands in 2 folders"),
        ("nowhere.png,happy", "line 23: nowhere.png is not there"),
        ("../../secret.png,happy", "line 23: ../../secret.png is not there"),
        (",happy", "line 23: no file"),
        ("3.png,", "line 23: no label"),
        ("3.png", "line 23: fewer fields than in line 1; is the row cut"),
    ],
)
def test_bad_rows_are_named_or_counted(tmp_path, caplog, row, message):
    save(tmp_path / "secret.png", noise(0))
    pairs = made(tmp_path / "data")
    table = written(tmp_path / "data" / "t.csv", [(f"images/{f.name}", k) for f, k in pairs])
    save(tmp_path / "data" / "more" / "9.png", noise(9))
    table.write_text(table.read_text() + row + "\n")
    with pytest.raises(FerlabError, match=message.replace(".", r"\.")):
        sources.read("table", tmp_path / "data")
    same(sources.read("table", tmp_path / "data", strict=False, split="train"), pairs)
    assert f"left out 1 of 22 rows; the first: {table}, {message}" in caplog.text


def test_a_file_with_two_labels_is_refused(tmp_path):
    pairs = made(tmp_path)
    rows = [(f.name, k) for f, k in pairs]
    written(tmp_path / "t.csv", [*rows, rows[3]])
    same(sources.read("table", tmp_path, split="train"), pairs)
    written(tmp_path / "t.csv", [*rows, ("3.png", "happy")])
    with pytest.raises(FerlabError, match=r"3\.png stands in the table twice, as anger and as happy"):
        sources.read("table", tmp_path)


def test_without_a_table(tmp_path):
    made(tmp_path)
    with pytest.raises(FerlabError, match="holds no table of files and labels"):
        sources.read("table", tmp_path)
    (tmp_path / "data.csv").write_text("x,y\n1,2\n")
    with pytest.raises(FerlabError, match=r"data\.csv, line 1: expected a column for the file .* found x, y"):
        sources.read("table", tmp_path)


def test_parquet_as_hugging_face_has_it(tmp_path, monkeypatch):
    pairs = made(tmp_path / "away")
    for name in ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"):
        save(tmp_path / "set/data" / name, noise(0), format="PNG")  # any bytes: pandas' reader is replaced
    frames = {
        name: pd.DataFrame({"image": [{"bytes": f.read_bytes(), "path": None} for f, _ in rows],
                            "label": [["neutral", "happy", "sad", "surprise", "fear", "disgust", "anger"].index(
                                {"Happiness": "happy", "SAD": "sad"}.get(k, k)) for _, k in rows]})
        for name, rows in (("train", pairs[:14]), ("test", pairs[14:]))
    }  # fmt: skip
    monkeypatch.setattr(pd, "read_parquet", lambda file: frames[file.stem.split("-")[0]])
    faces = sources.read("table", tmp_path / "set", label_order="affectnet")
    same(faces, pairs[14:] + pairs[:14])
    assert faces.split.tolist()[:7] == [2] * 7
    assert faces.origin(0) == "test-00000-of-00001.parquet, row 0"

    def absent(file):
        raise ImportError("Unable to find a usable engine")

    monkeypatch.setattr(pd, "read_parquet", absent)
    with pytest.raises(FerlabError, match=r"needs pyarrow; pip install 'ferlab\[parquet\]'"):
        sources.read("table", tmp_path / "set", label_order="affectnet")
