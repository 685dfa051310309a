"""FER2013's csv files and FER+'s votes against independent readers, and each damage named by its line."""

import csv
import hashlib
import logging
import re
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torchvision.datasets import FER2013

from ferlab.data import sources
from ferlab.data.sources import fer2013_csv, fer2013_rows
from ferlab.errors import FerlabError
from ferlab.expressions import FERPLUS_COLUMNS

REAL = Path(__file__).resolve().parents[3] / "shared" / "data"
USAGES = ("Training", "PublicTest", "PrivateTest")


def made(n=30, seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (n, 2304), dtype=np.uint8)
    pixels[0, :6] = 0, 9, 10, 99, 100, 255
    return pixels, rng.integers(0, 7, n), rng.integers(0, 3, n)


def rows_of(pixels, labels, splits):
    return [f"{k},{' '.join(map(str, p.tolist()))},{USAGES[s]}" for p, k, s in zip(pixels, labels, splits, strict=True)]


def write(path, rows, header="emotion,pixels,Usage", end="\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(row + end for row in [header, *rows]).encode())
    return path


def same(faces, data):
    pixels, labels, splits = data
    assert np.array_equal(faces.pixels.reshape(-1, 2304), pixels)
    assert np.array_equal(faces.labels, labels)
    assert np.array_equal(faces.split, splits)
    assert faces.row.tolist() == list(range(len(pixels)))


def test_every_number_of_up_to_three_digits(tmp_path):
    values = np.arange(2304) % 256
    path = write(tmp_path / "a.csv", [f"0,{' '.join(map(str, values))},Training"])
    assert np.array_equal(sources.read("fer2013_csv", path).pixels.ravel(), values)
    for bad in range(256, 1100):  # each through the vectorised path's own check
        assert fer2013_rows._pixels([" ".join([str(bad), *["0"] * 2303]).encode()]) is None


def test_pandas_reads_the_same(tmp_path):
    path = write(tmp_path / "fer2013.csv", rows_of(*made(200)))
    table = pd.read_csv(path)
    faces = sources.read("fer2013_csv", path)
    assert np.array_equal(faces.pixels.reshape(200, -1), np.stack([np.array(p.split(), int) for p in table["pixels"]]))
    assert faces.labels.tolist() == table["emotion"].tolist()
    assert [USAGES[s] for s in faces.split] == table["Usage"].tolist()


@pytest.mark.parametrize("name", ["fer2013.csv", "icml_face_data.csv"])
def test_torchvision_reads_the_same_in_the_same_order(tmp_path, monkeypatch, name):
    data = made(60)
    rows, header = rows_of(*data), "emotion,pixels,Usage"
    if name.startswith("icml"):
        rows = [",".join(row.split(",")[i] for i in (0, 2, 1)) for row in rows]
        header = "emotion, Usage, pixels"
    path = write(tmp_path / "fer2013" / name, rows, header)
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    key = "fer" if name == "fer2013.csv" else "icml"
    monkeypatch.setitem(FER2013._RESOURCES, key, (name, md5))
    faces = sources.read("fer2013", tmp_path / "fer2013")
    same(faces, data)
    for split, codes in (("train", [0]), ("test", [1, 2])):  # torchvision calls PublicTest and PrivateTest test
        theirs = FER2013(tmp_path, split)
        ours = np.flatnonzero(np.isin(faces.split, codes))
        assert len(theirs) == len(ours)
        for (image, label), i in zip(theirs, ours, strict=True):
            assert label == faces.labels[i]
            assert np.array_equal(np.asarray(image), faces.pixels[i])


def test_public_is_val_and_private_is_test(tmp_path):
    pixels, labels, _ = made(3)
    faces = sources.read("fer2013_csv", write(tmp_path / "a.csv", rows_of(pixels, labels, [1, 2, 0])))
    assert faces.split.tolist() == [1, 2, 0]
    assert np.array_equal(faces.of_split("val").pixels.ravel(), pixels[0])
    assert np.array_equal(faces.of_split("test").pixels.ravel(), pixels[1])


@pytest.mark.parametrize(
    "change",
    {
        "bom": lambda h, r: b"\xef\xbb\xbf" + "\n".join([h, *r, ""]).encode(),
        "crlf": lambda h, r: "\r\n".join([h, *r, ""]).encode(),
        "cr": lambda h, r: "\r".join([h, *r, ""]).encode(),
        "no last line end": lambda h, r: "\n".join([h, *r]).encode(),
        "blank lines": lambda h, r: "\n".join([h, *r, "", "  ", "", ""]).encode(),
        "blank line inside": lambda h, r: "\n".join([h, *r[:4], "", *r[4:], ""]).encode(),
        "upper case": lambda h, r: "\n".join([h.upper(), *r, ""]).encode(),
        "spaced header": lambda h, r: "\n".join(["emotion, pixels , Usage", *r, ""]).encode(),
        "spaced fields": lambda h, r: "\n".join([h, *(x.replace(",", " , ") for x in r), ""]).encode(),
        "double spaces": lambda h, r: "\n".join([h, *(x.replace(" ", "  ") for x in r), ""]).encode(),
        "all quoted": lambda h, r: "\n".join(['"' + x.replace(",", '","') + '"' for x in [h, *r]] + [""]).encode(),
        "pixels quoted": lambda h, r: "\n".join([h, *(re.sub(",(.*),", r',"\1",', x) for x in r), ""]).encode(),
        "more columns": lambda h, r: "\n".join(["id," + h + ",note", *(f'7,{x},"a, ""b"""' for x in r), ""]).encode(),
        "other order": lambda h, r: "\n".join(",".join(x.split(",")[::-1]) for x in [h, *r, ""]).encode(),
    }.items(),
    ids=lambda item: item[0],
)
def test_forms_that_mean_the_same(tmp_path, change):
    data = made()
    path = tmp_path / "a.csv"
    path.write_bytes(change[1]("emotion,pixels,Usage", rows_of(*data)))
    same(sources.read("fer2013_csv", path), data)


def spoil(row, what):
    emotion, pixels, usage = row.split(",")
    values = pixels.split(" ")
    if isinstance(what, tuple):
        values[what[0]] = what[1]
        return f"{emotion},{' '.join(values)},{usage}"
    return what(emotion, values, usage)


DAMAGES = {
    "2303 pixels": (lambda e, v, u: f"{e},{' '.join(v[1:])},{u}", "found 2303 pixels"),
    "2305 pixels": (lambda e, v, u: f"{e},{' '.join([*v, '7'])},{u}", "found 2305 pixels"),
    "no pixels": (lambda e, v, u: f"{e},,{u}", "found 0 pixels"),
    "256": ((3, "256"), "pixel 4 is '256'"),
    "300": ((2303, "300"), "pixel 2304 is '300'"),
    "1000": ((0, "1000"), "pixel 1 is '1000'"),
    "-1": ((10, "-1"), "pixel 11 is '-1'"),
    "1.5": ((10, "1.5"), "pixel 11 is '1.5'"),
    "x": ((0, "x"), "pixel 1 is 'x'"),
    "underscore": ((0, "1_0"), "pixel 1 is '1_0'"),
    "other digits": ((0, "٣"), "pixel 1 is '٣'"),
    "empty pixel": ((5, ""), "found 2303 pixels"),
    "emotion 7": (lambda e, v, u: f"7,{' '.join(v)},{u}", "emotion is '7'"),
    "emotion -1": (lambda e, v, u: f"-1,{' '.join(v)},{u}", "emotion is '-1'"),
    "emotion empty": (lambda e, v, u: f",{' '.join(v)},{u}", "emotion is ''"),
    "emotion happy": (lambda e, v, u: f"happy,{' '.join(v)},{u}", "emotion is 'happy'"),
    "Usage unknown": (lambda e, v, u: f"{e},{' '.join(v)},Validation", "Usage is 'Validation'"),
    "Usage empty": (lambda e, v, u: f"{e},{' '.join(v)},", "Usage is ''"),
    "Usage missing": (lambda e, v, u: f"{e},{' '.join(v)}", "expected 3 fields, found 2"),
    "cut": (lambda e, v, u: f"{e},{' '.join(v[:900])}", "expected 3 fields, found 2; is the row cut"),
    "quote": (lambda e, v, u: f'{e},"{" ".join(v)},{u}', "no csv row"),
}


@pytest.mark.parametrize(("what", "message"), DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("place", [0, 39])
def test_a_bad_row_is_named(tmp_path, caplog, what, message, place):
    data = made(40)
    rows = rows_of(*data)
    rows[place] = spoil(rows[place], what)
    path = write(tmp_path / "faces.csv", rows)
    with pytest.raises(FerlabError) as error:
        sources.read("fer2013_csv", path)
    assert f"faces.csv, line {place + 2}: " in str(error.value)
    assert message in str(error.value)
    assert "strict" in str(error.value)
    with caplog.at_level(logging.WARNING):
        faces = sources.read("fer2013_csv", path, strict=False)
    kept = [i for i in range(40) if i != place]
    assert faces.row.tolist() == kept
    assert np.array_equal(faces.pixels.reshape(-1, 2304), data[0][kept])
    assert np.array_equal(faces.labels, data[1][kept])
    assert "left out 1 bad rows of 40" in caplog.text
    assert f"line {place + 2}" in caplog.text


def test_two_wrongs_make_no_right(tmp_path):
    rows = rows_of(*made(4))
    rows[1], rows[2] = spoil(rows[1], DAMAGES["2303 pixels"][0]), spoil(rows[2], DAMAGES["2305 pixels"][0])
    with pytest.raises(FerlabError, match="line 3: found 2303"):
        sources.read("fer2013_csv", write(tmp_path / "a.csv", rows))


@pytest.mark.parametrize("kept", [5, 40, 3000, -1, -6])
def test_a_file_cut_in_its_last_line(tmp_path, kept):
    path = write(tmp_path / "a.csv", rows_of(*made(40)))
    text = path.read_bytes().rstrip(b"\n")
    last = text.rindex(b"\n") + 1
    path.write_bytes(text[: last + kept] if kept > 0 else text[:kept])
    with pytest.raises(FerlabError, match=r"a\.csv, line 41: "):
        sources.read("fer2013_csv", path)
    assert len(sources.read("fer2013_csv", path, strict=False)) == 39


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"emotion,pixels,Usage\n", "no rows"),
        (b"\n\n", "line 1: no column"),
        (b"<!DOCTYPE html>\n<html></html>\n", "is not a csv"),
        (b"PK\x03\x04\x14\x00\x00\x00\n", "is not a csv"),
        (b"\xff\xfee\x00m\x00\n\x00", "is not a csv"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "is not a csv"),
        (b"1" * 3_000_000, "longer than"),
        (b"emotion,pixels,Usage,pixels\n0,1,Training,1\n", "pixels stands there 2 times"),
        (b"emotion,pixels\n0,1\n", "no column usage.*split: train"),
        (b"pixels\n1 2\n", "test.csv has no labels"),
        (b"a,b\n1,2\n", "no column emotion, pixels, usage.*found a, b"),
    ],
)
def test_what_is_no_fer2013_csv(tmp_path, content, message):
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(FerlabError, match=f"(?s)file.csv.*{message}"):
        sources.read("fer2013_csv", path)


def test_missing_and_unreadable_files_are_named(tmp_path):
    with pytest.raises(FerlabError, match="nowhere"):
        sources.read("fer2013_csv", tmp_path / "nowhere.csv")
    with pytest.raises(FerlabError, match=f"{tmp_path.name} cannot be read"):
        sources.read("fer2013_csv", tmp_path)


def test_kaggles_train_and_test_pair(tmp_path):
    pixels, labels, _ = made(10)
    text = [" ".join(map(str, p.tolist())) for p in pixels]
    write(tmp_path / "test.csv", text, "pixels")
    path = write(tmp_path / "train.csv", [f"{k},{t}" for k, t in zip(labels, text, strict=True)], "emotion,pixels")
    with pytest.raises(FerlabError, match=r"test\.csv has no labels.*fer2013\.csv"):
        sources.read("fer2013", tmp_path)
    same(sources.read("fer2013_csv", path, split="train"), (pixels, labels, np.zeros(10)))
    with pytest.raises(FerlabError, match="train, val, test"):
        sources.read("fer2013_csv", path, split="training")


def test_fer2013_prefers_its_csv_and_says_what_it_expects(tmp_path):
    data, other = made(5), made(6, seed=1)
    with pytest.raises(FerlabError, match=r"fer2013\.csv.*icml_face_data\.csv.*train/angry"):
        sources.read("fer2013", tmp_path)
    write(tmp_path / "icml_face_data.csv", rows_of(*other))
    same(sources.read("fer2013", tmp_path), other)
    write(tmp_path / "fer2013.csv", rows_of(*data))
    same(sources.read("fer2013", tmp_path), data)


def test_md5_is_checked(tmp_path, caplog, monkeypatch):
    path = write(tmp_path / "fer2013.csv", rows_of(*made(3)))
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    sources.read("fer2013_csv", path)
    assert md5 in caplog.text
    assert "f8428a1edbd21e88f42c73edd2a14f95" in caplog.text
    with pytest.raises(FerlabError, match=f"{md5}.*f8428a1edbd21e88f42c73edd2a14f95.*strict_md5: false"):
        sources.read("fer2013_csv", path, strict_md5=True)
    monkeypatch.setitem(fer2013_csv.MD5, "fer2013.csv", md5)
    caplog.clear()
    assert len(sources.read("fer2013_csv", path, strict_md5=True)) == 3
    assert not caplog.text


def test_unknown_layouts_and_options_list_the_right_ones(tmp_path):
    with pytest.raises(
        FerlabError, match="fer2013, fer2013_csv, image_folders, class_folders, ferplus, ck_plus, jaffe"
    ):
        sources.read("fer2014", tmp_path)
    with pytest.raises(FerlabError, match=r"no option strickt; its options: strict, strict_md5"):
        sources.read("fer2013", tmp_path, strickt=True)
    with pytest.raises(FerlabError, match="drawn needs n_val, n_test, seed"):
        sources.read("drawn", None, n_train=3)


# FER+


def write_votes(path, splits, votes, names=None):
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["Usage", "Image name", *FERPLUS_COLUMNS])
        for i, (s, v) in enumerate(zip(splits, votes, strict=True)):
            out.writerow([USAGES[s], f"fer{i:07d}.png" if names is None else names[i], *v])


@pytest.fixture
def rated(tmp_path):
    data = made(6)
    write(tmp_path / "fer2013.csv", rows_of(*data))
    #          neu hap sur sad ang dis fea con unk NF
    votes = [[4, 0, 0, 1, 3, 2, 0, 0, 0, 0], [0, 10, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]]
    votes += [[0, 0, 6, 0, 0, 0, 0, 3, 1, 0], [0, 0, 0, 0, 0, 0, 4, 6, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]]
    names = ["a.png", "b.png", "c.png", "d.png", "e.png", ""]
    write_votes(tmp_path / "fer2013new.csv", data[2], votes, names)
    return tmp_path, data, votes


def test_votes_become_a_distribution(rated):
    path, (pixels, labels, splits), _ = rated
    faces = sources.read("ferplus", path)
    assert faces.row.tolist() == [0, 1, 3, 4, 5]  # row 2 has no vote for an expression; row 5 keeps FER2013's label
    #              angry disgust fear happy sad surprise neutral
    expected = [[0.3, 0.2, 0, 0, 0.1, 0, 0.4], [0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1, 0], [0, 0, 1, 0, 0, 0, 0]]
    assert np.allclose(faces.targets[:4], expected)
    assert faces.targets[4].tolist() == np.eye(7)[labels[5]].tolist()
    assert np.array_equal(faces.pixels.reshape(5, -1), pixels[faces.row])
    assert np.array_equal(faces.split, splits[faces.row])
    assert sources.read("ferplus", path, unnamed="drop").row.tolist() == [0, 1, 3, 4]


def test_votes_become_a_majority(rated):
    faces = sources.read("ferplus", rated[0], targets="majority", unnamed="drop")
    assert faces.row.tolist() == [1, 3]
    assert faces.labels.tolist() == [3, 5]
    assert set(np.unique(faces.targets)) == {0.0, 1.0}


def test_votes_are_joined_by_row_of_the_csv(rated):
    path = rated[0]
    lines = (path / "fer2013.csv").read_text().splitlines()
    lines[1] = "0,1 2,Training"
    (path / "fer2013.csv").write_text("\n".join(lines))
    faces = sources.read("ferplus", path, strict=False)
    assert faces.row.tolist() == [1, 3, 4, 5]
    assert faces.targets[0, 3] == 1


def test_votes_that_do_not_fit(rated):
    path, data, votes = rated
    for options in ({"targets": "soft"}, {"unnamed": "maybe"}):
        with pytest.raises(FerlabError, match="choose"):
            sources.read("ferplus", path, **options)
    write_votes(path / "fer2013new.csv", (data[2] + np.array([0, 0, 1, 0, 0, 0])) % 3, votes)
    with pytest.raises(FerlabError, match=r"fer2013new\.csv, line 4: another Usage"):
        sources.read("ferplus", path)
    write_votes(path / "fer2013new.csv", data[2][:5], votes[:5])
    with pytest.raises(FerlabError, match="has 5 rows"):
        sources.read("ferplus", path)
    write_votes(path / "fer2013new.csv", data[2], [["x"] * 10] * 6)
    with pytest.raises(FerlabError, match=r"fer2013new\.csv, line 2: "):
        sources.read("ferplus", path)
    (path / "fer2013new.csv").write_text("Usage,neutral\n")
    with pytest.raises(FerlabError, match="no column Image name, happiness"):
        sources.read("ferplus", path)
    (path / "fer2013new.csv").unlink()
    with pytest.raises(FerlabError, match=r"no .*fer2013new\.csv.*microsoft"):
        sources.read("ferplus", path)


# size and speed


def test_blocks_are_joined_whatever_their_size(tmp_path, monkeypatch):
    data = made(50)
    path = write(tmp_path / "a.csv", rows_of(*data))
    for size in (7, 1000, 9000, 1 << 30):
        monkeypatch.setattr(fer2013_csv, "_BLOCK", size)
        same(sources.read("fer2013_csv", path), data)


def test_the_parser_is_much_faster_than_a_split_per_row(tmp_path):
    path = write(tmp_path / "a.csv", rows_of(*made(600)))

    def by_pandas():
        return np.stack([np.array(p.split(), np.uint8) for p in pd.read_csv(path)["pixels"]])

    def cpu(task):
        times = []
        for _ in range(3):
            start = time.process_time()
            task()
            times.append(time.process_time() - start)
        return min(times)

    assert cpu(by_pandas) > 3 * cpu(lambda: sources.read("fer2013_csv", path))  # about 7; the rest is for noise


@pytest.mark.slow
def test_a_file_of_full_size_is_read_in_time_and_memory(tmp_path):
    data = made(35_887)
    path = write(tmp_path / "a.csv", rows_of(*data))
    start = time.process_time()
    faces = sources.read("fer2013_csv", path)
    assert time.process_time() - start < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 3e6  # kB, with the generated rows in memory
    same(faces, data)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="needs shared/data")
def test_the_real_splits_are_the_official_ones(tmp_path):
    import subprocess
    import sys

    subprocess.run([sys.executable, REAL / "unpack.py", tmp_path, "csv", "ferplus"], check=True)
    faces = sources.read("fer2013", tmp_path / "fer2013")
    assert list(faces.class_counts("val").values()) == [467, 56, 496, 895, 653, 415, 607]
    assert list(faces.class_counts("test").values()) == [491, 55, 528, 879, 594, 416, 626]
    assert len(faces) == 35_887
    reference = pd.read_csv(tmp_path / "fer2013" / "fer2013.csv")
    assert all(
        np.array_equal(np.array(text.split(), np.uint8), face.ravel())
        for text, face in zip(reference["pixels"][::50], faces.pixels[::50], strict=True)
    )
    rated = sources.read("ferplus", tmp_path / "fer2013")
    assert len(rated) == 35_882
    assert np.allclose(rated.targets.sum(1), 1)
