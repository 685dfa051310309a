"""Faces enter, training and validation batches leave; a training run has no test loader.

A training batch is a pure function of (seed, epoch, batch): the number of workers, a resume and the device change
nothing about which faces it holds or how they are augmented.
"""

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ferlab.data import balance as balancing
from ferlab.data.augment import Augment
from ferlab.data.faces import Faces, have_twin_in
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS

log = logging.getLogger(__name__)

DEDUP = ("none", "train")
# Faces a validation batch holds: large, because nothing is kept for a backward pass.
VAL_BATCH = 1024


class FacesDataModule(pl.LightningDataModule):
    """Batches of faces: uint8 or float32 [B,1,48,48] in 0..255, targets float32 [B,7].

    Args:
        faces: all splits; only `train` and `val` are used.
        augment: the policy, applied to training faces.
        batch_size: faces of a training step over all devices; a last smaller batch is left out.
        seed: of the order of faces.
        num_workers: processes that prepare batches on the host; 0 prepares them in the training process.
        balance: of the training faces. `sampler` draws an epoch's faces with replacement, each class as often as any
            other; `smote` and `adasyn` append synthetic ones (see `balance.grow`); `none` leaves them as they are.
        only: expressions; the faces of all others are left out of train and val. None keeps all.
        dedup: `train` leaves out training faces that are pixel-identical to a val or test face, `none` keeps them.

    Attributes:
        train, val: faces with targets as the data say; with `balance` smote or adasyn, `train` holds the synthetic too.
        targets: what training batches hold as targets, float32 [N,7]; those of `train` unless a teacher has its share.
    """

    def __init__(
        self,
        faces: Faces,
        augment: Augment,
        *,
        batch_size: int,
        seed: int,
        num_workers: int,
        balance: str,
        dedup: str = "none",
        only: Sequence[str] | None = None,
    ):
        super().__init__()
        if dedup not in DEDUP:
            raise FerlabError(f"dedup is {dedup!r}; choose {', '.join(DEDUP)}")
        self.train, self.val = (_only(faces.of_split(split), only) for split in ("train", "val"))
        for name, part in (("training", self.train), ("validation", self.val)):
            if len(part) == 0:
                raise FerlabError(f"the data set has no {name} face; run python -m ferlab.prepare to see its splits")
        if dedup == "train":
            twins = have_twin_in(self.train.pixels, np.concatenate([self.val.pixels, faces.of_split("test").pixels]))
            self.train = self.train.take(~twins)
            log.info("left out %d training faces that also stand in val or test", twins.sum())
        if len(self.train) < 2:
            raise FerlabError(f"expected at least 2 training faces, found {len(self.train)}")
        balancing.check(self.train, balance)
        if balance in balancing.SYNTHETIC:
            self.train = balancing.grow(self.train, balance, seed)
        self.balance, self.targets = balance, self.train.targets
        self.augment, self.seed, self.num_workers = augment, seed, num_workers
        self.batch_size = min(batch_size, len(self.train))
        if self.batch_size < batch_size:
            log.warning("batch_size %d is larger than the %d training faces", batch_size, len(self.train))
        if self.batch_size < 2:
            raise FerlabError(f"batch_size is {batch_size}; batch norm needs at least 2 faces in a batch")

    @property
    def class_counts(self) -> np.ndarray:
        """Sum of the training targets per class, float64 [7]."""
        return self.train.targets.sum(0, dtype=np.float64)

    def teach(self, probabilities: np.ndarray, share: float) -> None:
        """Give a teacher's probabilities [N,7] of the training faces their share of the targets, before training.

        Each target becomes (1 - share) * its own + share * the teacher's (Hinton et al. 2015, arXiv:1503.02531).

        Raises:
            FerlabError: other shapes, or rows that are no distributions.
        """
        expected = self.train.targets.shape
        if probabilities.shape != expected:
            raise FerlabError(
                f"a teacher's probabilities should be {expected}, a row for each training face; found "
                f"{probabilities.shape}; give the teacher's answers to data.train.pixels"
            )
        off = ~(np.isfinite(probabilities).all(1) & (probabilities >= 0).all(1))
        off |= ~(np.abs(probabilities.sum(1, dtype=np.float64) - 1) <= 1e-3)
        if off.any():
            row = int(off.argmax())
            raise FerlabError(
                f"{off.sum()} of {len(off)} rows of a teacher's probabilities are no distributions, as row {row}: "
                f"{probabilities[row].tolist()}; give a teacher that was trained to its end"
            )
        self.targets = ((1 - share) * self.train.targets + share * probabilities).astype(np.float32)

    @property
    def batches(self) -> int:
        """Training batches of an epoch."""
        return len(self.train) // self.batch_size

    def setup(self, stage: str) -> None:
        weights = getattr(self.trainer.lightning_module, "class_weights", None)
        if self.balance == "sampler" and weights is not None and bool((weights != weights[0]).any()):
            log.warning("balance=sampler and class_weights both even the classes out: rare ones now count the most")

    def train_dataloader(self) -> DataLoader:
        # A checkpoint knows how many steps were taken; where in the data that is follows from it. It must be known
        # here: with prefetching workers the sampler runs before any epoch hook.
        steps = self.trainer.global_step * self.trainer.accumulate_grad_batches
        epoch, done = divmod(steps, self.batches)
        device = self.trainer.strategy.root_device
        rank, ranks = self.trainer.global_rank, self.trainer.world_size
        if device.type == "cuda" and self.augment.path == "batched":
            batches, workers = DeviceBatches(self, device, rank, ranks), 0
        else:
            batches, workers = HostBatches(self, rank, ranks), self.num_workers
        return DataLoader(
            batches,
            sampler=Places(self.batches, epoch, done),
            batch_size=None,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=device.type == "cuda" and isinstance(batches, HostBatches),
            # Workers draw their base seed from this, not from the stream that dropout uses.
            generator=torch.Generator().manual_seed(self.seed),
        )

    def val_dataloader(self) -> DataLoader:
        starts = range(0, len(self.val), VAL_BATCH)
        device = self.trainer.strategy.root_device
        pixels = torch.from_numpy(self.val.pixels).unsqueeze(1).to(device)  # [N,1,48,48]
        targets = torch.from_numpy(self.val.targets).to(device)
        batches = [(pixels[s : s + VAL_BATCH], targets[s : s + VAL_BATCH]) for s in starts]
        return DataLoader(batches, batch_size=None, generator=torch.Generator().manual_seed(self.seed))

    def order(self, epoch: int) -> np.ndarray:
        """Indices of an epoch's training faces in their order, int64 [N]: each once, unless a sampler draws them."""
        if self.balance == "sampler":
            return balancing.sample(self.train.labels, self.seed, epoch)
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.train))


def _only(faces: Faces, expressions: Sequence[str] | None) -> Faces:
    if expressions is None:
        return faces
    unknown = [name for name in expressions if name not in EXPRESSIONS]
    if unknown or len(set(expressions)) < 2:
        raise FerlabError(f"only is {list(expressions)}; give at least two of {', '.join(EXPRESSIONS)}")
    return faces.take(np.isin(faces.labels, [EXPRESSIONS.index(name) for name in expressions]))


class Places(Sampler[tuple[int, int]]):
    """(epoch, batch) for every batch of an epoch, the next epoch each time it is iterated.

    The first epoch starts at batch `done`, where a resumed run stopped. A generator counts an iteration when its first
    place is asked for: a loader with workers makes two iterators for the first epoch and uses one.
    """

    def __init__(self, batches: int, epoch: int, done: int):
        self.batches, self.epoch, self.done = batches, epoch, done

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch, done = self.epoch, self.done
        self.epoch, self.done = epoch + 1, 0
        for batch in range(done, self.batches):
            yield epoch, batch

    def __len__(self) -> int:
        return self.batches


class _Batches(Dataset):
    """Items are whole batches, indexed by (epoch, batch); each rank has its share of the global batch."""

    def __init__(self, module: FacesDataModule, rank: int, ranks: int):
        self.module, self.rank, self.ranks = module, rank, ranks
        self._epoch, self._order = -1, np.empty(0, np.int64)
        self.everyone = np.arange(len(module.train))

    def indices(self, epoch: int, batch: int):
        """Faces of a batch and the numbers that their augmentation is drawn by, both int64 [B].

        A face's number is its index. Where a sampler may draw a face twice it is the place in the epoch, so that the
        two differ.
        """
        size = self.module.batch_size
        some = slice(batch * size, (batch + 1) * size)
        index = self.order(epoch)[some][self.rank :: self.ranks]
        number = self.everyone[some][self.rank :: self.ranks] if self.module.balance == "sampler" else index
        return index, number

    def order(self, epoch: int):
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self.module.order(epoch)
        return self._order


class HostBatches(_Batches):
    """Batches gathered and augmented by numpy and OpenCV, or image by image by albumentations."""

    def __getitem__(self, place: tuple[int, int]) -> tuple[Tensor, Tensor]:
        epoch, batch = place
        index, number = self.indices(epoch, batch)
        faces = self.module.augment.on_host(self.module.train.pixels[index], number, epoch)
        return torch.from_numpy(faces).unsqueeze(1), torch.from_numpy(self.module.targets[index])


class DeviceBatches(_Batches):
    """Batches gathered and augmented on the GPU, where the whole training set lies (66 MB for FER2013)."""

    def __init__(self, module: FacesDataModule, device: torch.device, rank: int, ranks: int):
        super().__init__(module, rank, ranks)
        self.device = device
        self.pixels = torch.from_numpy(module.train.pixels).unsqueeze(1).to(device)  # [N,1,48,48]
        self.targets = torch.from_numpy(module.targets).to(device)
        self.everyone = torch.arange(len(self.pixels), device=device)
        # The hash behind the draws stays outside: Triton 3.6 refuses its 64-bit constants.
        self.batch = torch.compile(self._batch, fullgraph=True, dynamic=False)

    def order(self, epoch: int) -> Tensor:
        """As for the host, on the device; the epoch's draws are made with it."""
        if epoch != self._epoch:
            order = torch.from_numpy(self.module.order(epoch))
            self._epoch, self._order = epoch, order.to(self.device)
            self.draws = self.module.augment.draw(self.everyone, epoch)  # [N,D]
        return self._order

    def _batch(self, index: Tensor, number: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        return self.module.augment.apply(self.pixels[index], draws[number]), self.targets[index]

    def __getitem__(self, place: tuple[int, int]) -> tuple[Tensor, Tensor]:
        return self.batch(*self.indices(*place), self.draws)
