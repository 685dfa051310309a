"""Balancing: draws against their probabilities, synthetic faces against imbalanced-learn and against geometry."""

import sys

import numpy as np
import pytest
from imblearn import over_sampling
from scipy import stats

from ferlab.data import balance
from ferlab.data.faces import Faces, hard_targets
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, K

COUNTS = (40, 7, 30, 70, 9, 20, 24)


def unequal(counts=COUNTS, seed=0) -> Faces:
    """Smooth faces of all classes in one cloud, so that every class has neighbours of another."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(K), counts))
    n = len(labels)
    pixels = np.kron(rng.integers(0, 256, (n, 4, 4)), np.ones((12, 12))).astype(np.uint8)
    return Faces(pixels, hard_targets(labels), np.zeros(n, np.uint8), np.arange(n, dtype=np.int32) % 9,
                 np.arange(n, dtype=np.int32))  # fmt: skip


def test_each_class_is_drawn_as_often_as_any_other():
    labels = unequal().labels
    drawn = np.concatenate([balance.sample(labels, 3, epoch) for epoch in range(200)])
    assert drawn.dtype == np.int64
    assert len(drawn) == 200 * sum(COUNTS)
    assert stats.chisquare(np.bincount(labels[drawn], minlength=K)).pvalue > 0.001
    for k in range(K):  # and within a class each face
        some = np.bincount(drawn, minlength=len(labels))[labels == k]
        assert stats.chisquare(some).pvalue > 0.001


def test_a_draw_is_a_function_of_seed_and_epoch():
    labels = unequal().labels
    first = balance.sample(labels, 3, 5)
    assert np.array_equal(first, balance.sample(labels, 3, 5))
    for other in ((3, 6), (4, 5), (5, 3)):
        assert (first == balance.sample(labels, *other)).mean() < 0.1


@pytest.mark.parametrize(
    ("kind", "library"),
    [
        ("smote", over_sampling.SMOTE(k_neighbors=5, random_state=4)),
        ("adasyn", over_sampling.ADASYN(n_neighbors=5, random_state=4)),
    ],
)
def test_synthetic_faces_are_imbalanced_learns(kind, library):
    train = unequal()
    grown = balance.grow(train, kind, seed=4)
    flat, labels = library.fit_resample(train.pixels.reshape(len(train), -1).astype(np.float64), train.labels)
    n = len(train)
    assert len(grown) == len(flat) > n
    assert np.array_equal(grown.labels, labels)
    # float32 and float64 may round a half apart.
    off = np.abs(grown.pixels.reshape(len(grown), -1) - flat)
    assert off.max() < 0.501
    for name in ("pixels", "targets", "split", "subject"):
        assert np.array_equal(getattr(grown, name)[:n], getattr(train, name))
    assert (grown.subject[n:] == -1).all()
    assert [grown.origin(i) for i in range(n)] == [train.origin(i) for i in range(n)]
    assert grown.origin(n) == f"{kind}: {EXPRESSIONS[labels[n]]}"
    counts = np.bincount(labels, minlength=K)
    assert np.array_equal(counts, [70] * K) if kind == "smote" else (np.abs(counts - 70) < 10).all()


def test_a_synthetic_face_lies_between_two_of_its_class():
    train = unequal((2, 9, 9, 9, 9, 9, 9))  # one pair alone, so the line is known
    grown = balance.grow(train, "smote", seed=0)
    a, b = train.pixels[train.labels == 0].reshape(2, -1).astype(float)
    made = grown.pixels[len(train) :].reshape(-1, 48 * 48).astype(float)
    assert len(made) == 7
    share = (made - a) @ (b - a) / ((b - a) @ (b - a))
    assert (share >= 0).all()
    assert (share <= 1).all()
    assert np.abs(a + share[:, None] * (b - a) - made).max() < 1


def test_the_seed_decides_the_synthetic_faces():
    first, again, other = (balance.grow(unequal(), "smote", seed).pixels for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", balance.SYNTHETIC)
def test_few_faces_have_few_neighbours(kind, caplog):
    grown = balance.grow(unequal((9, 3, 9, 9, 9, 9, 9)), kind, 0)
    assert "3 faces of disgust; it looks at 2 neighbours, not 5" in caplog.text
    assert grown.class_counts("train")["disgust"] >= 8


@pytest.mark.parametrize("kind", balance.SYNTHETIC)
def test_a_class_of_one_face_is_refused(kind):
    with pytest.raises(FerlabError, match=f"balance={kind} .*found one of disgust, sad; use balance=sampler"):
        balance.grow(unequal((9, 1, 9, 9, 1, 9, 9)), kind, 0)


def test_classes_that_adasyn_cannot_tell_apart(caplog):
    counts = np.array((9, 4, 9, 9, 9, 9, 9))
    labels = np.repeat(np.arange(K), counts)
    pixels = np.repeat(labels.astype(np.uint8) * 30, 48 * 48).reshape(-1, 48, 48)  # each class far from the others
    n = len(labels)
    apart = Faces(pixels, hard_targets(labels), np.zeros(n, np.uint8), *[np.arange(n, dtype=np.int32)] * 2)
    with pytest.raises(FerlabError, match=r"balance=adasyn makes no faces of these .*use balance=smote"):
        balance.grow(apart, "adasyn", 0)


def test_without_the_library_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "imblearn", None)
    with pytest.raises(FerlabError, match=r"pip install 'ferlab\[train,balance\]'"):
        balance.grow(unequal(), "smote", 0)


def test_distributions_count_by_their_label():
    train = unequal()
    soft = (0.6 * train.targets + 0.4 / K).astype(np.float32)
    votes = Faces(train.pixels, soft, train.split, train.subject, train.row)
    grown = balance.grow(votes, "smote", 0)
    assert np.array_equal(grown.targets[: len(train)], soft)
    assert np.array_equal(grown.pixels, balance.grow(train, "smote", 0).pixels)


def test_an_empty_class(caplog):
    train = unequal((9, 0, 9, 9, 9, 0, 9))
    for kind in balance.KINDS[1:]:
        with pytest.raises(FerlabError, match=f"balance={kind} needs every class.*no face of disgust, surprise"):
            balance.check(train, kind)
    assert not caplog.records
    balance.check(train, "none")
    assert "no training face of disgust, surprise" in caplog.text
    with pytest.raises(FerlabError, match="balance is 'smoke'; choose none, sampler, smote, adasyn"):
        balance.check(train, "smoke")
