"""Faces in, training and validation batches out; a training run has no test loader.

A training batch is a pure function of (seed, epoch, batch): the number of workers, a resume and the device change
nothing about which faces it holds or how they are augmented.
"""

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from ferlab.data import balance as balancing
from ferlab.data.augment import Augment
from ferlab.data.batches import DeviceBatches, HostBatches, Places, limited
from ferlab.data.faces import Faces, have_twin_in
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, K

log = logging.getLogger(__name__)

DEDUP = ("none", "train")
VAL_BATCH = 1024  # faces: many, because nothing is kept for a backward pass


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
        train, val: faces with their own targets; with `balance` smote or adasyn, `train` holds the synthetic too.
        targets: of training batches, float32 [N,7]; those of `train` unless a teacher has its share.
        logit_shift: what the loss adds to the logits of each training face, float32 [N,7]; None: nothing.
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
        self.logit_shift: np.ndarray | None = None
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

    @property
    def class_shares(self) -> np.ndarray:
        """Share of each class in the targets of an epoch, a teacher's among them, float64 [7] of sum 1."""
        if self.balance == "sampler":
            return np.full(K, 1 / K)
        sums = self.targets.sum(0, dtype=np.float64)
        return sums / sums.sum()

    @property
    def source_counts(self) -> np.ndarray:
        """Sum of the training targets of each source of the data (rows) per class, float64 [S,7]."""
        counts = np.zeros((int(self.train.source.max()) + 1, K))
        np.add.at(counts, self.train.source, self.train.targets)
        return counts

    @property
    def labels_of_steps(self) -> list[np.ndarray]:
        """What a training step gets beside its faces, a row for each training face: targets, and logit shifts."""
        return [self.targets] if self.logit_shift is None else [self.targets, self.logit_shift]

    def teach(self, probabilities: np.ndarray, share: float) -> None:
        """Give a teacher's probabilities [N,7] of the training faces their share of the targets, before training.

        Each target becomes (1 - share) * its own + share * the teacher's (Hinton et al. 2015, arXiv:1503.02531). Of a
        face without a label all of it is the teacher's.

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
        shares = np.where(self.train.labelled, share, 1.0)[:, None]  # [N,1]
        self.targets = ((1 - shares) * self.train.targets + shares * probabilities).astype(np.float32)

    @property
    def batches(self) -> int:
        """Training batches of an epoch."""
        return len(self.train) // self.batch_size

    def __getstate__(self) -> dict[str, Any]:
        """What workers get where they are not forked: without the trainer, which holds the whole training."""
        return self.__dict__ | {"trainer": None}

    @property
    def _trainer(self) -> pl.Trainer:
        assert self.trainer is not None  # the hooks below are a trainer's calls
        return self.trainer

    def setup(self, stage: str) -> None:
        weights = getattr(self._trainer.lightning_module, "class_weights", None)
        if self.balance == "sampler" and weights is not None and bool((weights != weights[0]).any()):
            log.warning("balance=sampler and class_weights both even the classes out: rare ones now count the most")

    def train_dataloader(self) -> DataLoader:
        # A checkpoint holds the number of steps, from which the place in the data follows. It must be known here: with
        # prefetching workers the sampler runs before any epoch hook.
        trainer = self._trainer
        batches, at_once = limited(self.batches, trainer.limit_train_batches), trainer.accumulate_grad_batches
        epoch, steps = divmod(trainer.global_step, math.ceil(batches / at_once))
        device = trainer.strategy.root_device
        ranks = trainer.global_rank, trainer.world_size
        on_device = device.type == "cuda" and self.augment.path == "batched"
        workers = 0 if on_device else self.num_workers
        return DataLoader(
            DeviceBatches(self, device, *ranks) if on_device else HostBatches(self, *ranks),
            sampler=Places(
                self.batches, batches, epoch, steps * at_once, same=getattr(trainer, "overfit_batches", 0) > 0
            ),
            batch_size=None,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=device.type == "cuda" and not on_device,
            # Workers draw their base seed from this, not from the stream that dropout uses.
            generator=torch.Generator().manual_seed(self.seed),
        )

    def val_dataloader(self) -> DataLoader:
        starts = range(0, len(self.val), VAL_BATCH)
        device = self._trainer.strategy.root_device
        pixels = torch.from_numpy(self.val.pixels).unsqueeze(1).to(device)  # [N,1,48,48]
        targets = torch.from_numpy(self.val.targets).to(device)
        batches: Any = [(pixels[s : s + VAL_BATCH], targets[s : s + VAL_BATCH]) for s in starts]  # a list will do
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
    wanted = np.isin(faces.labels, [EXPRESSIONS.index(name) for name in expressions])
    return faces.take(wanted & faces.labelled)
