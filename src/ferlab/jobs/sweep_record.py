"""Sweeps: what became of each job of a multirun, whichever launcher ran it, and which runs need no second training.

outputs/sweeps/DATE/    sweep.json, sweep.md   every job: finished, skipped, failed, killed or not started
                        N/job.json             one job, written where it ran; N/job.lock is held while it runs

`python -m ferlab.sweeps outputs/sweeps/DATE` writes and prints the summary again.
"""

import json
import math
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console
from rich.table import Table

from ferlab import cli, files
from ferlab.errors import FerlabError
from ferlab.jobs.scheduler import RECORD

JOB, LOCK, SWEEP, SUMMARY = "job.json", "job.lock", "sweep.json", "sweep.md"
GOOD = ("finished", "skipped")


# In each job

_noted: dict[str, Any] = {}  # what the job that runs in this process says of itself
_held: FileLock | None = None  # tells other processes that the job still lives
_open: Path | None = None  # the sweep that was typed in this process


def note(**facts: Any) -> None:
    """Put facts into the record of the job that runs; without a sweep or ferlab.reproduce they go nowhere."""
    _noted.update(facts)
    if record := os.environ.get(RECORD):
        files.write_json(Path(record), _noted)


class Bookkeeper:
    """Hydra's callback (conf/train.yaml, hydra.callbacks): it travels with the jobs into every launcher's processes."""

    def on_multirun_start(self, config: Any, **_: Any) -> None:
        global _open
        _open = Path(config.hydra.sweep.dir)
        for old in _open.glob(f"*/{JOB}"):  # of an earlier sweep, where hydra.sweep.dir is typed
            old.unlink()
        _open.mkdir(parents=True, exist_ok=True)
        jobs = [_job(num, overrides) for num, overrides in enumerate(cli.jobs(config))]
        files.write_json(_open / SWEEP, {"command": cli.line(config), "jobs": jobs})

    def on_job_start(self, config: Any, **_: Any) -> None:
        global _held
        if config.hydra.mode.name != "MULTIRUN":
            return
        _noted.clear()
        folder = Path(config.hydra.runtime.output_dir)
        _held = FileLock(folder / LOCK)
        _held.acquire()
        _noted["started"] = time.time()
        files.write_json(folder / JOB, _record(config))

    def on_job_end(self, config: Any, job_return: Any, **_: Any) -> None:
        if config.hydra.mode.name != "MULTIRUN":
            return
        value = job_return._return_value  # the property of that name would raise the error and print it again
        if job_return.status.name == "FAILED":
            end: dict[str, Any] = {"status": "failed", "error": _one_line(value)}
        else:
            known = isinstance(value, float) and math.isfinite(value)
            end = {"status": _noted.get("status", "finished"), "val_accuracy": value if known else None}
        end["seconds"] = round(time.time() - _noted["started"], 1)
        files.write_json(Path(config.hydra.runtime.output_dir) / JOB, _record(config) | end)
        _release()

    def on_multirun_end(self, **_: Any) -> None:
        """Hydra calls this only where no job has failed; `close` does the work."""

    def on_run_start(self, **_: Any) -> None: ...

    def on_run_end(self, **_: Any) -> None: ...


def _job(num: int, overrides: Sequence[str]) -> dict[str, Any]:
    empty = {"run": None, "val_accuracy": None, "seconds": None, "error": None}
    return {"num": num, "status": "not started", "overrides": list(overrides), **empty}


def _record(config: Any) -> dict[str, Any]:
    job = _job(int(config.hydra.job.num), config.hydra.overrides.task)
    return job | {"status": "running", "run": _noted.get("run")}


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if text.startswith("ferlab: "):
        return text.removeprefix("ferlab: ")
    return f"{type(error).__name__}: {text}"


def _release() -> None:
    global _held
    if _held is not None:
        _held.release()
        _held = None


# Where the sweep was typed


def close() -> None:
    """End the sweep that was typed in this process, if one was: wait for its jobs, write and print the summary.

    Raises:
        SystemExit: status 1, where a job did not end well and Hydra has not said so itself.
    """
    global _open
    if _open is None:
        return
    folder, _open = _open, None
    _release()  # of a job that ended in this process by SystemExit
    failing = sys.exc_info()[1] is not None
    jobs = summarize(folder, wait=True)
    if all(job["status"] == "not started" for job in jobs):
        (folder / SWEEP).unlink()  # Hydra refused the line as a whole, and says why
        return
    print_summary(folder, jobs)
    if not failing and any(job["status"] not in GOOD for job in jobs):
        sys.exit(1)


def summarize(folder: Path, wait: bool = False) -> list[dict[str, Any]]:
    """Every job of a sweep, with the command that repeats those that did not end well; into sweep.json and sweep.md.

    `wait` until jobs that still run have ended: where a job was killed, submitit's launcher does not.

    Raises:
        FerlabError: no sweep's folder.
    """
    try:
        sweep = json.loads((folder / SWEEP).read_text())
    except (OSError, ValueError) as error:
        raise FerlabError(f"{folder} is no sweep's folder ({error}); expected outputs/sweeps/DATE") from error
    jobs = {job["num"]: _job(job["num"], job["overrides"]) for job in sweep["jobs"]}
    for path in folder.glob(f"*/{JOB}"):
        job = _read(path, wait)
        jobs[job["num"]] = job
    found = [jobs[num] for num in sorted(jobs)]
    for job in found:
        if job["status"] not in (*GOOD, "running"):
            job["again"] = shlex.join([*sweep["command"], *job["overrides"]])
    if any(job["status"] != "not started" for job in found):
        files.write_json(folder / SWEEP, {"command": sweep["command"], "jobs": found})
        (folder / SUMMARY).write_text(_markdown(folder, found))
    return found


def _read(path: Path, wait: bool) -> dict[str, Any]:
    lock, lives = FileLock(path.with_name(LOCK)), False
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        lives = True
    finally:
        lock.release()
    job = json.loads(path.read_text())
    if job["status"] == "running" and not lives:
        job["status"] = "killed"
    return job


def counts_of(jobs: list[dict[str, Any]]) -> str:
    states = [job["status"] for job in jobs]
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))


def rows_of(jobs: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Overrides that all jobs have, and for each job what a table says of it."""
    shared = [word for word in jobs[0]["overrides"] if all(word in job["overrides"] for job in jobs)]
    shared = shared if len(jobs) > 1 else []
    rows = []
    for job in jobs:
        accuracy = "" if job["val_accuracy"] is None else f"{100 * job['val_accuracy']:.2f} %"
        seconds = "" if job["seconds"] is None else f"{job['seconds']:.1f}"
        own = " ".join(word for word in job["overrides"] if word not in shared)
        rows.append([str(job["num"]), job["status"], own, accuracy, seconds, job["run"] or ""])
    return shared, rows


COLUMNS = ("job", "status", "overrides", "val accuracy", "seconds", "run")


def _markdown(folder: Path, jobs: list[dict[str, Any]]) -> str:
    shared, rows = rows_of(jobs)
    lines = [f"# Sweep {folder.name}: {counts_of(jobs)}", ""]
    if shared:
        lines += [f"All jobs: `{' '.join(shared)}`", ""]
    lines += ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    for job in jobs:
        if "again" in job:
            lines += ["", f"Job {job['num']} {job['status']}{reason_of(job)}", "", f"    {job['again']}"]
    return "\n".join(lines) + "\n"


def reason_of(job: dict[str, Any]) -> str:
    return f": {job['error']}" if job["error"] else ""


def print_summary(folder: Path, jobs: list[dict[str, Any]]) -> None:
    shared, rows = rows_of(jobs)
    table = Table(title=f"sweep {folder}: {counts_of(jobs)}", title_justify="left")
    for name in COLUMNS:
        table.add_column(name, overflow="fold")  # a cut name could not be typed
    for row in rows:
        table.add_row(*row)
    out = Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
    out.print(table)
    if shared:
        out.print(f"all jobs: {' '.join(shared)}", soft_wrap=True)
    for job in jobs:
        if "again" in job:
            out.print(f"job {job['num']} {job['status']}{reason_of(job)}\n  {job['again']}", soft_wrap=True)
    if any("again" in job for job in jobs):
        out.print("the same line with skip_finished=true trains only what is missing", soft_wrap=True)
