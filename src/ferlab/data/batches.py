"""An epoch and a batch's number in, the faces and targets of that batch out, on the host or on the device."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, SequentialSampler

from ferlab.data.uniforms import Array

if TYPE_CHECKING:
    from ferlab.data.datamodule import FacesDataModule


def limited(batches: int, limit: int | float) -> int:
    """Batches of an epoch under Lightning's limit_train_batches: a number of batches, or a share of them."""
    return max(1, min(batches, limit if isinstance(limit, int) else int(batches * limit)))


class Places(SequentialSampler):  # which Lightning leaves as it is under overfit_batches
    """(epoch, batch) for every batch of an epoch, the next epoch each time it is iterated.

    The first epoch starts at batch `done`, where a resumed run stopped. A generator counts an iteration when its first
    place is taken: a loader with workers makes two iterators for the first epoch and uses one.

    Args:
        batches: that an epoch could have.
        limit: that it has.
        same: every epoch has the batches of the first.
    """

    def __init__(self, batches: int, limit: int, epoch: int, done: int, same: bool = False):
        super().__init__(range(batches))
        self.batches, self.limit, self.epoch, self.done, self.same = batches, limit, epoch, done, same

    def __iter__(self) -> Iterator[tuple[int, int]]:  # type: ignore[override]
        epoch, done = self.epoch, self.done
        self.epoch, self.done = epoch + 1, 0
        for batch in range(done, self.limit):
            yield 0 if self.same else epoch, batch

    def __len__(self) -> int:
        return self.batches


class _Batches(Dataset[tuple[Tensor, ...]], Generic[Array]):
    """Items are whole batches, indexed by (epoch, batch); each rank has its share of the global batch.

    A batch is (faces, targets), and the module's logit shift of each face where it has one.
    """

    def __init__(self, module: "FacesDataModule", rank: int, ranks: int, everyone: Array):
        self.module, self.rank, self.ranks = module, rank, ranks
        self.everyone: Array = everyone
        self._epoch = -1
        self._order: Array = everyone

    def indices(self, epoch: int, batch: int) -> tuple[Array, Array]:
        """Faces of a batch and the numbers that their augmentation is drawn by, both int64 [B].

        A face's number is its index. Where a sampler may draw a face twice it is the place in the epoch, so that the
        two differ.
        """
        size = self.module.batch_size
        some = slice(batch * size, (batch + 1) * size)
        index = self.order(epoch)[some][self.rank :: self.ranks]
        number = self.everyone[some][self.rank :: self.ranks] if self.module.balance == "sampler" else index
        return index, number

    def order(self, epoch: int) -> Array:
        """Indices of the epoch's faces, computed when it begins."""
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self.ordered(epoch)
        return self._order

    def ordered(self, epoch: int) -> Array:
        raise NotImplementedError


class HostBatches(_Batches[np.ndarray]):
    """Batches gathered and augmented by numpy and OpenCV, or image by image by albumentations."""

    def __init__(self, module: "FacesDataModule", rank: int, ranks: int):
        super().__init__(module, rank, ranks, np.arange(len(module.train)))

    def ordered(self, epoch: int) -> np.ndarray:
        return self.module.order(epoch)

    def __getitem__(self, place: tuple[int, int]) -> tuple[Tensor, ...]:
        epoch, batch = place
        index, number = self.indices(epoch, batch)
        faces = self.module.augment.on_host(self.module.train.pixels[index], number, epoch)
        labels = [torch.from_numpy(array[index]) for array in self.module.labels_of_steps]
        return torch.from_numpy(faces).unsqueeze(1), *labels


class DeviceBatches(_Batches[Tensor]):
    """Batches of an epoch whose faces are augmented on the GPU together, when the epoch begins.

    The whole training set lies there (66 MB for FER2013), and so do the augmented faces of one epoch (265 MB). The
    many small kernels of a policy cost the host as much for a thousand faces as for a batch.
    """

    _TOGETHER = 4096  # faces whose intermediate results are on the device at a time

    def __init__(self, module: "FacesDataModule", device: torch.device, rank: int, ranks: int):
        super().__init__(module, rank, ranks, torch.arange(len(module.train), device=device))
        self.device = device
        self.pixels = torch.from_numpy(module.train.pixels).unsqueeze(1).to(device)  # [N,1,48,48]
        self.labels = [torch.from_numpy(array).to(device) for array in module.labels_of_steps]
        self._whole: list[Tensor] = []  # faces, targets and shifts of this rank's batches in the epoch, in their order

    def ordered(self, epoch: int) -> Tensor:
        return torch.from_numpy(self.module.order(epoch)).to(self.device)

    def _begin(self, epoch: int) -> None:
        self._whole.clear()  # before the next ones take as much
        places = [self.indices(epoch, batch) for batch in range(self.module.batches)]
        index, number = (torch.cat(part) for part in zip(*places, strict=True))
        augment = self.module.augment
        faces = torch.empty(len(index), *self.pixels.shape[1:], device=self.device)
        parts = (part.split(self._TOGETHER) for part in (index, number, faces))
        for some, numbers, out in zip(*parts, strict=True):
            out.copy_(augment.on_device(self.pixels[some], numbers, epoch))
        self._whole = [faces, *(array[index] for array in self.labels)]

    def __getitem__(self, place: tuple[int, int]) -> tuple[Tensor, ...]:
        epoch, batch = place
        if epoch != self._epoch or not self._whole:
            self._begin(epoch)
        size = self.module.batch_size // self.ranks
        return tuple(part[batch * size : (batch + 1) * size] for part in self._whole)
