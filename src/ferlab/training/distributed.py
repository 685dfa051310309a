"""One training over several devices: processes (ranks) that each compute their share of every batch.

torchrun or srun starts all ranks; without either, the process that was typed is rank zero and starts the others. Rank
zero alone makes the run directory and writes in it.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.lightning import find_free_network_port
from lightning_fabric.strategies.launchers.subprocess_script import _launch_process_observer
from pytorch_lightning.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import distributed

from ferlab.config import Config
from ferlab.errors import FerlabError, in_a_line
from ferlab.jobs import typed
from ferlab.training.ema import WeightEma

STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true")


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
    if config["trainer"]["devices"] == 1:
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


def refuse(ranks: int, batch_size: int, unfreeze_every: int) -> None:
    """Refuse what would silently train something else than one process does.

    Raises:
        FerlabError: with what to type.
    """
    if started() not in (0, ranks):
        raise FerlabError(
            f"torchrun or srun has started {started()} ranks for {ranks} devices; type trainer.devices={started()} "
            "strategy=ddp"
        )
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


@contextlib.contextmanager
def all_ranks(count: int) -> Iterator[None]:
    """While all ranks run: those that have not been started are started here, and end here.

    Lightning's own launcher repeats the command line of this process, which in a sweep is that of all jobs and in a
    launcher's worker is the worker's own. So rank zero starts the others as torchrun would, by this job's own command.
    """
    if count == 1 or started():
        yield
        _leave()
        return
    if not (words := typed.job().words):
        raise FerlabError(f"{count} devices need a command: type python -m ferlab.train trainer.devices={count}")
    before = dict(os.environ)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(find_free_network_port())}
    os.environ |= {"WORLD_SIZE": str(count), "LOCAL_RANK": "0"}
    command = [sys.executable, "-m", "ferlab.train", *words]
    others = [
        subprocess.Popen(command, env=os.environ | {"LOCAL_RANK": str(rank)})  # noqa: S603
        for rank in range(1, count)
    ]
    _launch_process_observer(others)  # where one dies and the others hang in a collective operation, all are killed
    failed = True
    try:
        yield
        _leave()
        failed = False
    except RuntimeError as error:
        if status := _status_of_another(others):
            raise FerlabError(
                f"another rank ended with status {status}, and this one cannot go on alone; its message stands above"
            ) from error
        raise
    finally:
        os.environ.clear()
        os.environ.update(before)
        _end(others, failed)


def _status_of_another(others: list[subprocess.Popen]) -> int | None:
    for process in others:
        with contextlib.suppress(subprocess.TimeoutExpired):
            if process.wait(timeout=5):
                return process.returncode
    return None


def _end(others: list[subprocess.Popen], failed: bool) -> None:
    ranks = others[:]
    others.clear()  # the observer would kill this process too, and with it a sweep's other jobs
    for process in ranks:
        try:
            process.wait(timeout=5 if failed else 60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    _leave()


def _leave() -> None:
    """Close the connection of all ranks, without which a rank does not end where the others are still connected."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


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
            for buffer in (buffer for module in modules for buffer in module.buffers()):
                distributed.broadcast(buffer.detach(), src=0)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """After an error of this rank's own, wait for no other: they learn of it when this process ends."""
        if not isinstance(exception, SIGTERMException):
            trainer.strategy.barrier = lambda *args, **kwargs: None  # type: ignore[method-assign]
