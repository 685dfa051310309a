"""One training over several devices: processes (ranks) that each compute their share of every batch.

torchrun or srun starts all ranks; without either, the process that was typed is rank zero and starts the others
(`ranks`). Rank zero alone makes the run directory and writes in it.
"""

import os

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import distributed

from ferlab.config import Config
from ferlab.errors import FerlabError, in_a_line
from ferlab.training.ema import WeightEma

STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true")
_SMALL = 32  # faces of a rank, below which batch norm's statistics are poor (Wu & He 2018, arXiv:1803.08494, figure 1)


def alone(config: Config) -> bool:
    """Whether one process trains, whatever is there; devices=auto may find one device too."""
    return config["trainer"]["devices"] == 1 and config["trainer"]["num_nodes"] == 1


def environment() -> ClusterEnvironment:
    """Who starts the ranks, as Lightning's Trainer takes it.

    Raises:
        FerlabError: srun was typed without the number of tasks on each node.
    """
    if TorchElasticEnvironment.detect():
        return TorchElasticEnvironment()
    if _tasks_of_srun() == 1:  # Slurm has started a run, not a rank
        return LightningEnvironment()
    try:
        return SLURMEnvironment(auto_requeue=False)
    except RuntimeError as error:
        raise FerlabError(f"{in_a_line(error)}; type srun --ntasks-per-node=N") from error


def rank_of(config: Config) -> int:
    """This process's number among those that train together; 0 where it is alone, or is to start the others."""
    if alone(config):
        return 0
    found = environment()
    return found.local_rank() if isinstance(found, LightningEnvironment) else found.global_rank()


def started() -> int:
    """How many ranks have been started, of which this process is one; 0 where none have been."""
    if "LOCAL_RANK" in os.environ:
        return int(os.environ.get("WORLD_SIZE", 1))
    return tasks if (tasks := _tasks_of_srun()) > 1 else 0


def _tasks_of_srun() -> int:
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))


def refuse(ranks: int, batch_size: int, unfreeze_every: int, nodes: int = 1) -> None:
    """Refuse what would silently train something else than one process does, or wait for ranks that nobody starts.

    Raises:
        FerlabError: with what to type.
    """
    if started() not in (0, ranks):
        raise FerlabError(
            f"torchrun or srun has started {started()} ranks for {ranks} devices; type trainer.devices={started()} "
            "strategy=ddp, or the devices of a node and trainer.num_nodes"
        )
    if nodes > 1 and not started():
        raise FerlabError(f"trainer.num_nodes={nodes} needs torchrun or srun on each node (docs/sweeps.md)")
    if ranks == 1:
        return
    if batch_size % ranks or batch_size < 2 * ranks:
        fitting = max(2, round(batch_size / ranks)) * ranks
        raise FerlabError(
            f"a batch of {batch_size} faces has no equal shares of 2 or more for {ranks} devices, so that the mean of "
            f"their losses is not the batch's; type batch_size={fitting}, or trainer.devices=1"
        )
    if unfreeze_every:
        raise FerlabError(
            f"unfreeze_every={unfreeze_every} needs trainer.devices=1: the gradients of what learns later would not be "
            f"exchanged between {ranks} devices"
        )


def strategy_of(name: str, ranks: int, nodes: int = 1) -> str | DDPStrategy:
    """Lightning's strategy, whose steps exchange gradients and nothing else."""
    if ranks == 1:
        return name
    # Between machines each compiled part of the backward pass sends its gradients while the next one computes. Within
    # one machine sending costs little, and one part compiles as one graph.
    torch._dynamo.config.optimize_ddp = nodes > 1
    return DDPStrategy(
        find_unused_parameters=name == STRATEGIES[2],
        gradient_as_bucket_view=True,
        # In a step no rank reads another one's batch-norm statistics; `Together` gives all of them rank zero's.
        broadcast_buffers=False,
    )


def norms_synced(config: Config, ranks: int, cuda: bool) -> bool:
    """Whether batch norms take their statistics over the batches of all ranks, by the key sync_batchnorm.

    Raises:
        FerlabError: it is true without a GPU, where torch has no such batch norm.
    """
    wanted = config["sync_batchnorm"]
    if ranks == 1 or (wanted == "auto" and not cuda):
        return False
    if wanted is True and not cuda:
        raise FerlabError("sync_batchnorm=true needs GPUs; leave it out, and a rank's batch norm sees its own share")
    return config["batch_size"] < _SMALL * ranks if wanted == "auto" else wanted


class Word:
    """A number of rank zero's that all ranks learn without waiting for a device: read a few steps after it was sent."""

    def __init__(self, device: torch.device):
        cuda = device.type == "cuda"
        self._sent, self._received = (torch.zeros(1, dtype=torch.int32, pin_memory=cuda) for _ in range(2))
        self._device, self._here = device, torch.cuda.Event() if cuda else None

    def send(self, number: int) -> None:
        """On all ranks alike, after `received` of the last one; only rank zero's number counts."""
        self._sent[0] = number
        moving = self._sent.to(self._device, non_blocking=True)
        distributed.broadcast(moving, src=0)
        self._received.copy_(moving, non_blocking=True)
        if self._here:
            self._here.record()

    def received(self) -> int:
        """What was sent last; 0 before."""
        if self._here:
            self._here.synchronize()
        return int(self._received)


class Together(pl.Callback):
    """What all ranks do at the same step: where one left alone, the others would wait for it for ever.

    Args:
        ema: whose average is validated, if there is one.
    """

    def __init__(self, ema: WeightEma | None):
        self._ema = ema

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give every rank rank zero's batch-norm statistics: what is measured on all is the model that it saves."""
        modules = [pl_module, self._ema.average] if self._ema else [pl_module]
        if trainer.world_size > 1:  # devices=auto may find one
            buffers = [buffer.detach() for module in modules for buffer in module.buffers()]
            distributed._broadcast_coalesced(distributed.distributed_c10d._get_default_group(), buffers, 2**28, 0)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """After an error of this rank's own, wait for no other: they learn of it when this process ends."""
        if not isinstance(exception, SIGTERMException):
            trainer.strategy.barrier = lambda *args, **kwargs: None  # type: ignore[method-assign]
