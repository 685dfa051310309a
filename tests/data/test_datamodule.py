"""The data module: its faces, their order and their targets."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from ferlab.data.batches import HostBatches
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, K
from ferlab.training import fit as training
from tests.conftest import made_faces
from tests.data.test_batches import module_of, on_device, unequal


def test_a_sampler_evens_out_the_classes_of_an_epoch():
    module = module_of(unequal(), balance="sampler")
    assert module.class_counts[0] == 10
    orders = [module.order(epoch) for epoch in range(40)]
    share = np.bincount(module.train.labels[np.concatenate(orders)], minlength=K) / sum(map(len, orders))
    np.testing.assert_allclose(share, 1 / K, atol=0.02)
    assert len(orders[0]) == len(module.train)
    assert not np.array_equal(orders[0], orders[1])
    assert np.array_equal(orders[1], module_of(unequal(), balance="sampler").order(1))


@pytest.mark.parametrize("balance", ["sampler", "smote"])
def test_val_is_never_balanced(balance):
    faces = unequal()
    module = module_of(faces, balance=balance)
    for name in ("pixels", "targets", "row"):
        assert np.array_equal(getattr(module.val, name), getattr(faces.of_split("val"), name))


def test_synthetic_faces_count_and_come_of_training_faces_alone():
    faces = unequal()
    module = module_of(faces, balance="smote")
    assert np.array_equal(module.class_counts, [30] * K)
    assert len(module.train) == 210
    assert np.bincount(module.order(0)).tolist() == [1] * 210
    # What is in val and test leaves no trace in what is made.
    faces.pixels[faces.split != 0] = 255
    assert np.array_equal(module_of(faces, balance="smote").train.pixels, module.train.pixels)


def test_a_class_without_faces_is_a_warning_or_refused(caplog):
    faces = made_faces()
    some = faces.take(faces.labels != 1)
    module_of(some)
    assert "no training face of disgust" in caplog.text
    with pytest.raises(FerlabError, match="balance=sampler needs every class in training; no face of disgust"):
        module_of(some, balance="sampler")
    with pytest.raises(FerlabError, match="choose none, sampler, smote, adasyn"):
        module_of(faces, balance="over")


@pytest.mark.parametrize(
    ("overrides", "warned"),
    [
        (("balance=sampler", "class_weights=balanced"), True),
        (("balance=sampler", "class_weights=effective"), True),
        (("balance=sampler",), False),
        (("class_weights=balanced",), False),
        (("balance=smote", "class_weights=balanced"), False),
    ],
)
def test_balancing_twice_is_a_warning(config, monkeypatch, caplog, overrides, warned):
    monkeypatch.setattr(training, "open_config", lambda *a, **k: unequal())
    with caplog.at_level(logging.WARNING):
        run = training.train(config(*overrides, "trainer.max_epochs=1", "trainer.limit_train_batches=1"))
    assert ("both even the classes out" in caplog.text) == warned
    assert run.info["class_counts"]["angry"] == (30 if "balance=smote" in overrides else 10)


def test_a_teacher_has_its_share_of_the_targets(faces):
    module = module_of(faces)
    assert np.array_equal(module.targets, module.train.targets)
    own, counts = module.train.targets.copy(), module.class_counts
    answers = np.random.default_rng(0).dirichlet(np.ones(K), 160)  # float64
    module.teach(answers, 0.7)
    assert module.targets.dtype == np.float32
    np.testing.assert_allclose(module.targets, 0.3 * own.astype(float) + 0.7 * answers, atol=1e-7)
    assert np.array_equal(module.train.targets, own)
    assert np.array_equal(module.class_counts, counts)
    index = module.order(1)[16:32]
    for batches in (HostBatches(module, 0, 1), on_device(module)):
        assert np.array_equal(batches[1, 1][1], module.targets[index])
    module.teach(answers.astype(np.float32), 0.0)  # a second lesson replaces the first
    assert np.array_equal(module.targets, own)


def test_a_face_without_a_label_has_its_teachers_targets_alone(faces):
    targets = faces.targets.copy()
    targets[10:30] = 0
    module = module_of(replace(faces, targets=targets))
    answers = np.random.default_rng(0).dirichlet(np.ones(K), 160)
    module.teach(answers, 0.25)
    expected = 0.75 * targets[:160].astype(float) + 0.25 * answers
    expected[10:30] = answers[10:30]
    np.testing.assert_allclose(module.targets, expected, atol=1e-7)
    np.testing.assert_allclose(module.targets.sum(1), 1, atol=1e-6)
    assert module.class_counts.sum() == 140
    assert len(module_of(replace(faces, targets=targets), only=["angry", "happy"]).train) < 60
    for balance in ("sampler", "smote"):
        with pytest.raises(FerlabError, match="20 have a teacher's targets alone"):
            module_of(replace(faces, targets=targets), balance=balance)


def test_what_is_no_teacher(faces):
    module = module_of(faces)
    good = np.full((160, K), 1 / K, np.float32)
    rows = [np.full(K, 0.2), [np.nan] * K, [np.inf] + [0] * (K - 1), [1.5, -0.5] + [0] * (K - 2)]
    for row in rows:
        bad = good.copy()
        bad[7] = row
        with pytest.raises(FerlabError, match=r"1 of 160 rows .* as row 7"):
            module.teach(bad, 0.5)
    for shape in ((159, K), (160, K + 1), (160 * K,)):
        with pytest.raises(FerlabError, match=r"should be \(160, 7\)"):
            module.teach(np.full(shape, 1 / K), 0.5)
    assert np.array_equal(module.targets, module.train.targets)
    module.teach(good * 1.0005, 1.0)  # what half precision leaves


def test_only_leaves_faces_of_two_expressions_in_train_and_val_with_seven_targets():
    faces = made_faces(140, 70, 70)
    sad, neutral = EXPRESSIONS.index("sad"), EXPRESSIONS.index("neutral")
    data = module_of(faces, only=["sad", "neutral"])
    for split, kept in (("train", data.train), ("val", data.val)):
        own = faces.of_split(split)
        np.testing.assert_array_equal(kept.pixels, own.pixels[np.isin(own.labels, [sad, neutral])])
        assert kept.targets.shape == (len(kept), 7)
    assert set(np.flatnonzero(data.class_counts)) == {sad, neutral}
    for wrong in (["sad"], ["sad", "sorrow"], ["sad", "sad"]):
        with pytest.raises(FerlabError, match="give at least two of angry"):
            module_of(faces, only=wrong)
