"""Planted duplicates are found, and the real FER2013 has the known ones."""

import io
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferlab.data import drawn, leaks, sources
from ferlab.data.faces import Faces, hard_targets

REAL = Path(__file__).resolve().parents[3] / "shared" / "data"


NONE_NEAR = {"of val in train": 0, "of test in train": 0, "of test in val": 0, "mirrored": 0, "of the same label": 0}


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
    assert asdict(found) == {
        "groups": 0,
        "redundant": 0,
        "groups_across": 0,
        "twins": {"val in train": 0, "test in train": 0, "test in val": 0},
        "contradictory": 0,
        "constant": 0,
        "mirrored_across": 0,
        "near": NONE_NEAR,
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
    assert found.near == NONE_NEAR | {"of val in train": 1, "of test in train": 1, "of the same label": 1}


def test_copies_are_found_across_splits_whatever_was_done_to_them():
    """What the check of auxiliary faces finds, the check of a data set finds too: it is one check."""
    faces = drawn.draw(150, 50, 50, seed=0)
    pixels, labels, split = faces.pixels.copy(), faces.labels.copy(), faces.split
    train, val, test = (np.flatnonzero(split == s) for s in range(3))
    changes = [
        lambda face: jpeg(np.ascontiguousarray(face[:, ::-1])),
        lambda face: jpeg(by_way_of(np.ascontiguousarray(face[:, ::-1]), 64)),
        jpeg,
        lambda face: face[:, ::-1],
        lambda face: face,
    ]
    for i, change in enumerate(changes):
        for copies, of in ((val[:10], train[:10]), (test[:10], train[50:60]), (test[10:20], val[10:20])):
            pixels[copies[i]] = change(pixels[of[i]])
            labels[copies[i]] = labels[of[i]]
    labels[val[0]] = (labels[val[0]] + 1) % 7
    found = leaks.find(faces_of(pixels, split, labels), near=True).near
    assert found == {
        "of val in train": 5,
        "of test in train": 5,
        "of test in val": 5,
        "mirrored": 9,
        "of the same label": 14,
    }
    aux = leaks.twins_in(pixels[val], pixels[train])
    assert np.flatnonzero(aux.any).tolist() == [0, 1, 2, 3, 4]
    assert aux.of[:6].tolist() == [0, 1, 2, 3, 4, -1]
    assert aux.turned[:5].tolist() == [True, True, False, True, False]


def jpeg(pixels, quality=60):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return np.asarray(Image.open(out))


def by_way_of(pixels, side):
    there = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(there.resize((48, 48), Image.Resampling.BILINEAR))


def test_twins_in_another_set_are_found_and_nothing_else():
    judged = drawn.draw(7, 100, 100, seed=0).pixels[7:]
    others = drawn.draw(200, 7, 7, seed=1).pixels[:200]
    changes = {
        "exact": lambda face: face,
        "mirrored": lambda face: face[:, ::-1],
        "re-encoded": jpeg,
        "resized": lambda face: by_way_of(face, 64),
        "both": lambda face: jpeg(by_way_of(face, 64)),
        "mirrored and both": lambda face: jpeg(by_way_of(np.ascontiguousarray(face[:, ::-1]), 64)),
        "brighter, with less contrast": lambda face: (face * 0.8 + 40).astype(np.uint8),
    }
    planted = np.stack([change(face) for change in changes.values() for face in judged[:20]])
    pixels = np.concatenate([others, planted])
    found = leaks.twins_in(pixels, judged)
    kind = np.repeat(["unrelated", *changes], [200] + [20] * len(changes))
    assert np.array_equal(found.exact, kind == "exact")
    assert np.array_equal(found.mirrored, kind == "mirrored")
    assert np.array_equal(found.near, ~np.isin(kind, ["unrelated", "exact", "mirrored"])), kind[found.near]
    assert np.array_equal(found.any, kind != "unrelated")
    assert found.counts() == {"exact": 20, "mirrored": 20, "near": 100}


def test_blank_pictures_are_only_their_own_twins():
    blank = np.stack([np.full((48, 48), grey, np.uint8) for grey in (0, 7, 255)])
    speckled = np.random.default_rng(0).integers(0, 3, (20, 48, 48), np.uint8)
    judged = np.concatenate([blank[1:2], speckled[:10], different(5)])
    found = leaks.twins_in(np.concatenate([blank, speckled[10:], different(5)]), judged)
    assert np.flatnonzero(found.exact).tolist() == [1, 13, 14, 15, 16, 17]
    assert not (found.mirrored | found.near).any()


def test_twins_of_and_in_nothing():
    some, none = np.stack(different(3)), np.zeros((0, 48, 48), np.uint8)
    assert leaks.twins_in(some, none).any.tolist() == [False] * 3
    assert leaks.twins_in(none, some).counts() == {"exact": 0, "mirrored": 0, "near": 0}


def test_memory_mapped_and_empty_splits(tmp_path):
    np.save(tmp_path / "p.npy", np.stack(different(4)))
    pixels = np.load(tmp_path / "p.npy", mmap_mode="r")
    assert leaks.find(faces_of([*pixels], [1] * 4), near=True).near == NONE_NEAR


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    import subprocess
    import sys

    if not REAL.is_dir():
        pytest.skip("needs shared/data")
    folder = tmp_path_factory.mktemp("real")
    subprocess.run([sys.executable, REAL / "unpack.py", folder, "csv"], check=True)
    return sources.read("fer2013", folder / "fer2013")


@pytest.mark.slow
def test_the_real_fer2013(real):
    found = leaks.find(real, near=True)
    assert (found.groups, found.redundant, found.groups_across) == (1518, 1855, 557)
    assert found.twins == {"val in train": 280, "test in train": 288, "test in val": 44}
    assert (found.contradictory, found.constant) == (59, 12)
    # Looked at: the same photographs, by pairs the least alike too; the four mirrored ones as well.
    assert found.near == {
        "of val in train": 377,
        "of test in train": 405,
        "of test in val": 72,
        "mirrored": 4,
        "of the same label": 792,
    }
    # The 12 images with a mirrored twin in another split are the black ones, which are their own mirror image.
    assert found.mirrored_across == 0


@pytest.mark.slow
def test_twins_of_real_photographs(real):
    """Faces of val and test are known again after a way over 64x64 pixels and a JPEG file, mirrored or not."""
    judged = real.pixels[real.split != 0]
    some = np.array([face for face in judged[::7] if face.std() > 2])
    for turn in (1, -1):
        planted = np.stack([jpeg(by_way_of(np.ascontiguousarray(face[:, ::turn]), 64)) for face in some])
        assert leaks.twins_in(planted, judged).any.all()
    found = leaks.twins_in(real.pixels[real.split == 0], judged)
    assert found.counts() == {"exact": 703, "mirrored": 0, "near": 369}
