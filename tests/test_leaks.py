"""Planted duplicates are found, and the real FER2013 has the known ones."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferlab.data import leaks, sources
from ferlab.data.faces import Faces, hard_targets

REAL = Path(__file__).resolve().parents[2] / "shared" / "data"


def faces_of(pixels, split, labels=None):
    n = len(pixels)
    labels = np.zeros(n, int) if labels is None else np.array(labels)
    return Faces(
        np.stack(pixels),
        hard_targets(labels),
        np.array(split, np.uint8),
        np.full(n, -1, np.int32),
        np.arange(n, dtype=np.int32),
    )


def different(n):
    return list(np.random.default_rng(0).integers(0, 256, (n, 48, 48), np.uint8))


def photograph(seed):
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8))
    return np.asarray(coarse.resize((48, 48), Image.Resampling.BICUBIC))


def test_faces_without_duplicates():
    found = leaks.find(faces_of(different(9), [0, 1, 2] * 3), near=True)
    assert found.as_dict() == {
        "groups": 0,
        "redundant": 0,
        "groups_across": 0,
        "twins": {"val in train": 0, "test in train": 0, "test in val": 0},
        "contradictory": 0,
        "constant": 0,
        "mirrored_across": 0,
        "near": {"in train": 0, "of the same label": 0},
    }


def test_planted_twins_are_counted():
    a, b, c, d, e, f = different(6)
    #        three in train | train and val | val, test and test | test alone twice | single
    pixels = [a, a, a, b, b, c, c, c, d, d, e, f]
    split = [0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 0, 2]
    labels = [0, 0, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6]
    found = leaks.find(faces_of(pixels, split, labels))
    assert (found.groups, found.redundant, found.groups_across) == (4, 6, 2)
    assert found.twins == {"val in train": 1, "test in train": 0, "test in val": 2}
    assert found.contradictory == 2
    assert found.near is None


def test_mirrored_pairs_count_across_splits_only():
    a, b, c = different(3)
    symmetric = np.concatenate([a[:, :24], a[:, :24][:, ::-1]], 1)
    flat = np.full((48, 48), 7, np.uint8)
    pixels = [a, a[:, ::-1], a, b, b[:, ::-1], c, symmetric, symmetric, flat, flat]
    found = leaks.find(faces_of(pixels, [0, 2, 0, 0, 0, 1, 0, 1, 0, 1]))
    assert found.mirrored_across == 1
    assert found.constant == 2
    assert found.twins["val in train"] == 2


def test_re_encoded_twins_are_near():
    pictures = [photograph(s) for s in range(8)]
    out = io.BytesIO()
    Image.fromarray(pictures[0]).save(out, "JPEG", quality=60)
    jpeg = np.asarray(Image.open(out))
    brighter = np.clip(pictures[1].astype(int) + 3, 0, 255).astype(np.uint8)
    found = leaks.find(faces_of([*pictures, jpeg, brighter], [0] * 7 + [1, 1, 2], [0] * 9 + [1]), near=True)
    assert not np.array_equal(jpeg, pictures[0])
    assert found.groups == 0
    assert found.near == {"in train": 2, "of the same label": 1}


def test_memory_mapped_and_empty_splits(tmp_path):
    np.save(tmp_path / "p.npy", np.stack(different(4)))
    pixels = np.load(tmp_path / "p.npy", mmap_mode="r")
    assert leaks.find(faces_of([*pixels], [1] * 4), near=True).near == {"in train": 0, "of the same label": 0}


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="needs shared/data")
def test_the_real_fer2013(tmp_path):
    import subprocess
    import sys

    subprocess.run([sys.executable, REAL / "unpack.py", tmp_path, "csv"], check=True)
    found = leaks.find(sources.read("fer2013", tmp_path / "fer2013"), near=True)
    assert (found.groups, found.redundant, found.groups_across) == (1518, 1855, 557)
    assert found.twins == {"val in train": 280, "test in train": 288, "test in val": 44}
    assert (found.contradictory, found.constant) == (59, 12)
    assert found.near == {"in train": 594, "of the same label": 567}
    # The 12 images with a mirrored twin in another split are the black ones, which are their own mirror image.
    assert found.mirrored_across == 0
