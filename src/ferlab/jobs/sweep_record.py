"""The record of a sweep, written by its jobs and where it was typed; `sweep_summary` knows the files."""

import contextlib
import functools
import math
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from ferlab import cli, files
from ferlab.errors import FerlabError, in_a_line
from ferlab.jobs import typed
from ferlab.jobs.scheduler import RECORD, devices_there
from ferlab.jobs.sweep_summary import GOOD, JOB, LOCK, NOTE, SWEEP, Job, Note, Sweep, noted, print_summary, summarize


def note(run: str, status: str = "finished") -> None:
    """Note the run directory of the job that runs, and how the job ends if it ends well (finished or skipped).

    Without a sweep or ferlab.reproduce nothing is written.
    """
    if place := os.environ.get(RECORD):
        files.write_json(Path(place), asdict(Note(run, status)))


@contextlib.contextmanager
def _running(folder: Path) -> Iterator[None]:
    """Hold a job's lock, which tells other processes that it lives, and name to `note` the job's file."""
    before = os.environ.get(RECORD)
    with FileLock(folder / LOCK):
        (folder / NOTE).unlink(missing_ok=True)
        os.environ[RECORD] = str(folder / NOTE)
        try:
            yield
        finally:
            del os.environ[RECORD]
            if before is not None:
                os.environ[RECORD] = before


def _take_device(config: DictConfig) -> None:
    """Give a process that runs jobs beside others one of the GPUs, in turn by the number of its first job.

    It keeps the GPU for all its jobs, for CUDA looks once at the variable. Ray and Slurm give each job its own.
    """
    beside = config.hydra.runtime.choices["hydra/launcher"] in ("joblib", "submitit_local")
    if beside and config.trainer.devices == 1 and len(there := devices_there()) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = there[config.hydra.job.num % len(there)]


class Bookkeeper(Callback):
    """Hydra's callback (conf/train.yaml, hydra.callbacks): it travels with the jobs into every launcher's processes."""

    def __init__(self) -> None:
        self._job = contextlib.ExitStack()  # of the job that runs in this process
        self._started = 0.0

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        folder = Path(config.hydra.sweep.dir)
        for old in folder.glob(f"*/{JOB}"):  # of an earlier sweep, where hydra.sweep.dir is typed
            old.unlink()
        folder.mkdir(parents=True, exist_ok=True)
        jobs = [Job(num, overrides) for num, overrides in enumerate(typed.jobs(config))]
        files.write_json(folder / SWEEP, asdict(Sweep(typed.line(config), jobs)))
        cli.at_end(functools.partial(self._close, folder))  # Hydra's on_multirun_end is left out after a failed job

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        if config.hydra.mode.name == "MULTIRUN":
            _take_device(config)
            folder = Path(config.hydra.runtime.output_dir)
            self._job.enter_context(_running(folder))
            self._started = time.monotonic()
            files.write_json(folder / JOB, asdict(_job_of(config)))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        if config.hydra.mode.name != "MULTIRUN":
            return
        folder, job = Path(config.hydra.runtime.output_dir), _job_of(config)
        own, value = noted(folder), job_return._return_value  # the property would raise the job's error
        job.run, job.seconds = own.run, round(time.monotonic() - self._started, 1)
        if isinstance(value, BaseException):
            job.status, job.error = "failed", one_line(value)
        else:
            job.status = own.status
            job.val_accuracy = value if isinstance(value, float) and math.isfinite(value) else None
        files.write_json(folder / JOB, asdict(job))
        self._job.close()

    def _close(self, folder: Path, error: BaseException | None) -> None:
        """End the sweep where it was typed: wait for its jobs, write and print the summary.

        Raises:
            SystemExit: status 1, where a job did not end well and no `error` ends the command already.
        """
        self._job.close()  # of a job that ended in this process by SystemExit
        sweep = summarize(folder, wait=True)
        if all(job.status == "not started" for job in sweep.jobs):
            (folder / SWEEP).unlink()  # Hydra refused the line as a whole
            return
        print_summary(folder, sweep)
        if error is None and any(job.status not in GOOD for job in sweep.jobs):
            sys.exit(1)


def _job_of(config: DictConfig) -> Job:
    return Job(int(config.hydra.job.num), list(config.hydra.overrides.task), "running")


def one_line(error: BaseException) -> str:
    """What ended a job, for its record."""
    text = in_a_line(error)
    if isinstance(error, FerlabError):
        return text
    if text.startswith("ferlab: "):
        return text.removeprefix("ferlab: ")
    return f"{type(error).__name__}: {text}"
