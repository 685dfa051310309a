"""The processes of one training from their start to their end, whatever ends one of them."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

from lightning_fabric.plugins.environments.lightning import find_free_network_port
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import distributed

from ferlab.errors import FerlabError
from ferlab.jobs import typed
from ferlab.training.distributed import started

_GRACE = 30  # seconds in which a rank has to end by itself after another one's death


@contextlib.contextmanager
def all_ranks(count: int) -> Iterator[None]:
    """While all ranks run: those that have not been started are started here, and end here.

    After an error of its own a rank leaves without the others. Whoever loses one breaks off what it waits for.

    Raises:
        FerlabError: the others cannot be started, or one of them has died.
    """
    if count == 1:
        with _connected():
            yield
    elif started():
        parent = os.getppid()
        with _watching(lambda: os.getppid() != parent), _connected():
            yield
    else:
        with _started_here(count):
            yield


@contextlib.contextmanager
def _started_here(count: int) -> Iterator[None]:
    """Lightning's own launcher repeats the command line of this process, which in a sweep is that of all jobs and in a
    launcher's worker is the worker's own. So rank zero starts the others as torchrun would, by this job's own command.
    """
    if not (words := typed.job().words):
        raise FerlabError(f"{count} devices need a command: type python -m ferlab.train trainer.devices={count}")
    before = dict(os.environ)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(find_free_network_port())}
    os.environ |= {"WORLD_SIZE": str(count), "LOCAL_RANK": "0"}
    os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0")  # else torch kills the process that `_abort`s
    command = [sys.executable, "-m", "ferlab.train", *words]
    others = [
        subprocess.Popen(command, env=os.environ | {"LOCAL_RANK": str(rank)})  # noqa: S603
        for rank in range(1, count)
    ]
    failed = True
    try:
        with _watching(lambda: any(process.poll() for process in others)), _connected():
            yield
        failed = False
    except (RuntimeError, ValueError) as error:
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
    for process in others:
        try:
            process.wait(timeout=5 if failed else 60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _watching(lost: Callable[[], bool]) -> Iterator[None]:
    """Where another rank is lost, break off the collective operation in which this one may wait for it for ever."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(1):
            if lost():
                _abort()
                if not over.wait(_GRACE):
                    os.kill(os.getpid(), signal.SIGKILL)
                return

    threading.Thread(target=watch, daemon=True, name="ranks").start()
    try:
        yield
    finally:
        over.set()


@contextlib.contextmanager
def _connected() -> Iterator[None]:
    """Close the connection of all ranks, without which a rank does not end where the others are still connected.

    Where all end alike, each waits for the others' last operations; after an error of its own a rank waits for none.
    """
    try:
        yield
    except BaseException as error:
        if not isinstance(error, SIGTERMException):
            _abort()
        raise
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _abort() -> None:
    """Break off NCCL's operations, on the device too; gloo's end by themselves when a process does."""
    if distributed.is_initialized() and distributed.get_backend() == "nccl":
        distributed.distributed_c10d._abort_process_group()
