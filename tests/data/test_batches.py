"""Batches: which faces and targets one holds, on the host and on the device."""

import pickle
import threading

import albumentations
import numpy as np
import pytest
import torch

from ferlab.data.augment import Augment
from ferlab.data.batches import DeviceBatches, HostBatches
from ferlab.data.datamodule import FacesDataModule
from ferlab.expressions import K
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
    """The device's batches, computed on the CPU."""
    return DeviceBatches(module, torch.device("cpu"), rank, ranks)


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


def test_workers_that_are_not_forked_get_the_batches_without_the_trainer(faces):
    module = module_of(faces, POLICY)
    module.trainer = threading.Lock()  # which nobody can pickle
    sent = pickle.loads(pickle.dumps(HostBatches(module, 0, 1)))
    for own, there in zip(HostBatches(module, 0, 1)[1, 2], sent[1, 2], strict=True):
        assert torch.equal(own, there)
    assert module.trainer is not None


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


@pytest.mark.parametrize("kind", [HostBatches, on_device])
def test_a_face_that_is_drawn_twice_is_augmented_twice(kind):
    module = module_of(unequal(), POLICY, balance="sampler")
    order = module.order(0)
    face = np.bincount(order).argmax()
    assert (order == face).sum() > 2
    batches = kind(module) if kind is on_device else kind(module, 0, 1)
    drawn = torch.cat([batches[0, batch][0] for batch in range(module.batches)])
    copies = drawn[torch.from_numpy(order[: len(drawn)] == face)]
    for i in range(1, len(copies)):
        assert not torch.equal(copies[0], copies[i])
    again = kind(module_of(unequal(), POLICY, balance="sampler"), *(() if kind is on_device else (0, 1)))
    assert torch.equal(again[0, 5][0], batches[0, 5][0])  # whatever came before
