"""FER2013 in whichever form it was downloaded, against torchvision and the official counts."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torchvision.datasets import FER2013

from ferlab.data import sources
from ferlab.errors import FerlabError
from ferlab.inference import priors
from tests.data.sources.raw import made, rows_of, same, write

REAL = Path(__file__).resolve().parents[4] / "shared" / "data"


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


def test_the_csv_is_preferred_and_what_is_expected_is_named(tmp_path):
    data, other = made(5), made(6, seed=1)
    with pytest.raises(FerlabError, match=r"fer2013\.csv.*icml_face_data\.csv.*train/angry"):
        sources.read("fer2013", tmp_path)
    write(tmp_path / "icml_face_data.csv", rows_of(*other))
    same(sources.read("fer2013", tmp_path), other)
    write(tmp_path / "fer2013.csv", rows_of(*data))
    same(sources.read("fer2013", tmp_path), data)


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
    # The published counts of eight classes, 25,060, 3,199 and 3,153, without contempt's 119, 13 and 16.
    own = sources.read("ferplus", tmp_path / "fer2013", targets="majority", evaluated="majority", unnamed="drop")
    assert [sum(own.class_counts(split).values()) for split in ("train", "val", "test")] == [24_941, 3_186, 3_137]
    for name, faces_of in (("fer2013", faces), ("ferplus", own)):
        assert priors.NAMED[name] == tuple(faces_of.class_counts("train").values())
