"""One training over several devices: the processes (ranks) of Lightning's DDP share one run directory.

Rank zero is the process that was typed. It makes the run directory and then starts the others, which learn of it by an
environment variable that they inherit; they write nothing.
"""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from ferlab.errors import FerlabError
from ferlab.jobs import typed

STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true")
RUN = "FERLAB_RANK_OF"  # the run directory of the rank zero that started this process


def rank_of() -> Path | None:
    """The run that this process helps to train; None in rank zero, which is alone in most runs.

    Raises:
        FerlabError: something else than ferlab started several ranks.
    """
    if RUN in os.environ:
        return Path(os.environ[RUN])
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and "LOCAL_RANK" in os.environ:
        raise FerlabError(
            "ferlab starts its ranks itself; type python -m ferlab.train trainer.devices=2 strategy=ddp, without "
            "torchrun, and under Slurm with one task"
        )
    return None


def refuse(ranks: int, batch_size: int, unfreeze_every: int) -> None:
    """Refuse what would silently train something else than one process does.

    Raises:
        FerlabError: saying what to type.
    """
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
def starting(path: Path, launcher: Any) -> Iterator[None]:
    """While Lightning's `launcher` may start the other ranks for the run in `path`.

    Lightning repeats the command line that it finds, which in a sweep is that of all jobs and in a launcher's worker
    is the worker's own: here it finds this job's. Afterwards the environment is as before and no rank is left, so that
    a sweep's next job starts its own.
    """
    before, argv, main = dict(os.environ), sys.argv, sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    os.environ[RUN] = str(path.absolute())
    if words := typed.job().words:
        sys.argv, main.__spec__ = [argv[0], *words], importlib.util.find_spec("ferlab.train")
    failed = True
    try:
        yield
        failed = False
    except RuntimeError as error:
        if ended := _status_of_another(getattr(launcher, "procs", [])):
            raise FerlabError(f"another rank ended with status {ended}, and this one cannot go on alone; its message "
                              "stands above") from error  # fmt: skip
        raise
    finally:
        os.environ.clear()
        os.environ.update(before)
        sys.argv, main.__spec__ = argv, spec
        _end(getattr(launcher, "procs", []), failed)


def _status_of_another(others: list[subprocess.Popen]) -> int | None:
    for process in others:
        with contextlib.suppress(subprocess.TimeoutExpired):
            if process.wait(timeout=5):
                return process.returncode
    return None


def _end(others: list[subprocess.Popen], failed: bool) -> None:
    started = others[:]
    # Lightning's thread that watches them would kill this process too, and with it a sweep's other jobs.
    others.clear()
    for process in started:
        try:
            process.wait(timeout=5 if failed else 60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if started and distributed.is_initialized():
        distributed.destroy_process_group()


# What a callback does on all ranks alike: where one left alone, the others would wait for it for ever

_asked = 0  # the signal that rank zero has got


def listen() -> None:
    """Keep SIGTERM and Ctrl-C for `stop_together`. Lightning's handler itself talks to the other ranks, whatever these
    are doing, and then all of them wait."""
    global _asked
    _asked = 0

    def keep(number: int, frame: Any) -> None:
        global _asked
        if _asked and number == signal.SIGINT:
            raise KeyboardInterrupt  # typed twice
        _asked = 0 if distributed.get_rank() else number  # rank zero decides

    with contextlib.suppress(ValueError):  # not the main thread, which alone gets signals
        signal.signal(signal.SIGTERM, keep)
        signal.signal(signal.SIGINT, keep)


def stop_together(device: torch.device, terminated: type[BaseException]) -> None:
    """Raise on all ranks what rank zero was asked for, at the same step."""
    asked = torch.tensor(_asked, device=device)
    distributed.broadcast(asked, src=0)
    number = int(asked)
    if number:
        raise terminated if number == signal.SIGTERM else KeyboardInterrupt


def part(strategy: Any, error: BaseException, together: type[BaseException]) -> None:
    """After an error of this rank's own nothing here waits for the others: they learn of it when this process ends."""
    if not isinstance(error, (together, KeyboardInterrupt)):
        strategy.barrier = lambda *args, **kwargs: None


def same_buffers(*modules: nn.Module | None) -> None:
    """Give every rank rank zero's batch-norm statistics: what is measured on all is the model that rank zero saves."""
    if distributed.is_initialized() and distributed.get_world_size() > 1:
        with torch.no_grad():
            for module in modules:
                for buffer in module.buffers() if module is not None else ():
                    distributed.broadcast(buffer, src=0)
