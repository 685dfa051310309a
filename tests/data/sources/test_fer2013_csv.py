"""FER2013's csv files against independent readers."""

import hashlib
import resource
import time

import numpy as np
import pandas as pd
import pytest

from ferlab.data import sources
from ferlab.data.sources import fer2013_csv
from ferlab.errors import FerlabError
from tests.data.sources.raw import USAGES, made, rows_of, same, write


def test_pandas_reads_the_same(tmp_path):
    path = write(tmp_path / "fer2013.csv", rows_of(*made(200)))
    table = pd.read_csv(path)
    faces = sources.read("fer2013_csv", path)
    assert np.array_equal(faces.pixels.reshape(200, -1), np.stack([np.array(p.split(), int) for p in table["pixels"]]))
    assert faces.labels.tolist() == table["emotion"].tolist()
    assert [USAGES[s] for s in faces.split] == table["Usage"].tolist()


def test_public_is_val_and_private_is_test(tmp_path):
    pixels, labels, _ = made(3)
    faces = sources.read("fer2013_csv", write(tmp_path / "a.csv", rows_of(pixels, labels, [1, 2, 0])))
    assert faces.split.tolist() == [1, 2, 0]
    assert np.array_equal(faces.of_split("val").pixels.ravel(), pixels[0])
    assert np.array_equal(faces.of_split("test").pixels.ravel(), pixels[1])


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


def test_blocks_are_joined_whatever_their_size(tmp_path, monkeypatch):
    data = made(50)
    path = write(tmp_path / "a.csv", rows_of(*data))
    for size in (7, 1000, 9000, 1 << 30):
        monkeypatch.setattr(fer2013_csv, "_BLOCK", size)
        same(sources.read("fer2013_csv", path), data)


@pytest.mark.slow
def test_a_file_of_full_size_is_read_in_time_and_memory(tmp_path):
    data = made(35_887)
    path = write(tmp_path / "a.csv", rows_of(*data))
    start = time.process_time()
    faces = sources.read("fer2013_csv", path)
    assert time.process_time() - start < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 3e6  # kB, with the generated rows in memory
    same(faces, data)
