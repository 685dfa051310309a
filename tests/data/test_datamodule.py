"""The data module: which faces and targets a batch holds, on the host and on the device."""

import logging

import albumentations
import numpy as np
import pytest
import torch

from ferlab.data.augment import Augment
from ferlab.data.datamodule import DeviceBatches, FacesDataModule, HostBatches
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, K
from ferlab.training import fit as training
from tests.conftest import made_faces

POLICY = (albumentations.Affine(rotate=(-20, 20), translate_percent=0.1, p=1.0), albumentations.HorizontalFlip(p=0.5))


def unequal():
    """Faces whose first class has few for training."""
    faces = made_faces(210)
    return faces.take(~((faces.labels == 0) & (faces.split == 0) & (np.arange(len(faces)) % 3 > 0)))


def module_of(faces, policy=(), **changes) -> FacesDataModule:
    settings = {"batch_size": 16, "seed": 3, "num_workers": 0, "balance": "none"}
    return FacesDataModule(faces, Augment(policy, 3), **{**settings, **changes})


def on_device(module, rank=0, ranks=1) -> DeviceBatches:
    """The device's batches, computed on the CPU and not compiled."""
    batches = DeviceBatches(module, torch.device("cpu"), rank, ranks)
    batches.batch = batches._batch
    return batches


@pytest.mark.parametrize("kind", [HostBatches, on_device])
def test_an_unbalanced_epoch_is_the_permutation_and_draws_by_face(kind, faces):
    """Pinned: runs from before there was a choice of balance stay what they are."""
    module = module_of(faces, POLICY)
    batches = kind(module) if kind is on_device else kind(module, 0, 1)
    for epoch, batch in ((0, 0), (0, 1), (2, 4)):
        index = np.random.default_rng([3, epoch]).permutation(160)[16 * batch : 16 * (batch + 1)]
        pixels, targets = batches[epoch, batch]
        expected = module.augment.on_host(module.train.pixels[index], index, epoch)
        assert np.array_equal(targets, module.train.targets[index])
        off = np.abs(pixels[:, 0].numpy().astype(float) - expected)
        assert off.max() < (1 if kind is HostBatches else 3)
        assert off.mean() < 0.5


@pytest.mark.parametrize("balance", ["none", "sampler", "smote"])
def test_host_and_device_have_the_same_faces(balance):
    module = module_of(unequal(), POLICY, balance=balance)
    for rank in range(2):
        host, device = HostBatches(module, rank, 2), on_device(module, rank, 2)
        for place in ((0, 0), (0, 3), (1, 0)):
            (pixels, targets), (pixels2, targets2) = host[place], device[place]
            assert targets.shape == (8, K)
            assert torch.equal(targets, targets2)
            assert (pixels - pixels2).abs().mean() < 0.5


def test_a_sampler_evens_out_the_classes_of_an_epoch():
    module = module_of(unequal(), balance="sampler")
    assert module.class_counts[0] == 10
    orders = [module.order(epoch) for epoch in range(40)]
    share = np.bincount(module.train.labels[np.concatenate(orders)], minlength=K) / sum(map(len, orders))
    np.testing.assert_allclose(share, 1 / K, atol=0.02)
    assert len(orders[0]) == len(module.train)
    assert not np.array_equal(orders[0], orders[1])
    assert np.array_equal(orders[1], module_of(unequal(), balance="sampler").order(1))


@pytest.mark.parametrize("kind", [HostBatches, on_device])
def test_a_face_that_is_drawn_twice_is_augmented_twice(kind):
    module = module_of(unequal(), POLICY, balance="sampler")
    order = module.order(0)
    face = np.bincount(order).argmax()
    assert (order == face).sum() > 2
    batches = kind(module) if kind is on_device else kind(module, 0, 1)
    seen = torch.cat([batches[0, batch][0] for batch in range(module.batches)])
    copies = seen[torch.from_numpy(order[: len(seen)] == face)]
    for i in range(1, len(copies)):
        assert not torch.equal(copies[0], copies[i])
    again = kind(module_of(unequal(), POLICY, balance="sampler"), *(() if kind is on_device else (0, 1)))
    assert torch.equal(again[0, 5][0], batches[0, 5][0])  # whatever was asked before


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


def test_a_class_without_faces_is_said_or_refused(caplog):
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
def test_balancing_twice_is_said(config, monkeypatch, caplog, overrides, warned):
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
