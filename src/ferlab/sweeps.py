"""Sweeps: what became of each job of a multirun, whichever launcher ran it, and which runs need no second training.

outputs/sweeps/DATE/    sweep.json, sweep.md   every job: finished, skipped, failed, killed or not started
                        N/job.json             one job, written where it ran; N/job.lock is held while it runs

`python -m ferlab.sweeps outputs/sweeps/DATE` writes and prints the summary again.
"""

import contextlib
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

from ferlab import checkpoints, cli, runs
from ferlab.errors import FerlabError
from ferlab.jobs.scheduler import RECORD

JOB, LOCK, SWEEP, SUMMARY = "job.json", "job.lock", "sweep.json", "sweep.md"
GOOD = ("finished", "skipped")

# Keys that say how a run is computed and kept, not what comes out: runs that differ in these alone are the same run.
# The precision is none of them, for it changes the numbers more than the device does.
HOW_IT_RUNS = (
    "outputs",
    "data.root",
    "num_workers",
    "compile",
    "strategy",
    "save_every",
    "ckpt",
    "skip_finished",
    "wandb",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.enable_progress_bar",
)


# Which runs are there already


def finished(config: dict[str, Any]) -> runs.Run | None:
    """The finished run of this name and config, if there is one; `differing` says why another is not it."""
    for run in _of_name(config):
        if run.info.get("status") == "finished" and not differing(run.config, config):
            return run
    return None


def stopped(config: dict[str, Any]) -> Path | None:
    """The newest run of this name and config that did not finish and has a checkpoint to continue from."""
    for run in reversed(_of_name(config)):
        if run.info.get("status") != "finished" and not differing(run.config, config):
            with contextlib.suppress(FerlabError):
                checkpoints.newest(run.path / runs.CHECKPOINTS)
                return run.path
    return None


def why_anew(config: dict[str, Any]) -> str:
    """What is there under the run's name instead of a finished run of its config; empty where nothing is."""
    if path := stopped(config):
        return f"{path} was stopped before its end; skip_finished=true ckpt=last would continue it"
    there = [run for run in _of_name(config) if run.info.get("status") == "finished"]
    if not there:
        return ""
    return f"{there[-1].path} is finished, but with {', '.join(differing(there[-1].config, config)[:3])}"


def differing(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Where two configs differ in what comes out, as `lr=0.1, not 0.05`."""
    was, wanted = (_flat(c) for c in (before, now))
    keys = [key for key in dict.fromkeys([*wanted, *was]) if key not in HOW_IT_RUNS]
    absent = "nothing"
    return [
        f"{key}={was.get(key, absent)}, not {wanted.get(key, absent)}"
        for key in keys
        # A key that is null is as good as none: runs from before it was there are not other runs.
        if was.get(key) != wanted.get(key)
    ]


def _of_name(config: dict[str, Any]) -> list[runs.Run]:
    """Run directories outputs/name, name-2, ..., oldest first; one that cannot be read is left out."""
    found = []
    for path in runs.of_name(Path(config["outputs"]), config["name"]):
        with contextlib.suppress(FerlabError):
            found.append(runs.load(path))
    return found


def _flat(node: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.items():
        found |= _flat(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return found


# In each job

_noted: dict[str, Any] = {}  # what the job that runs in this process says of itself
_held: FileLock | None = None  # tells other processes that the job still lives
_open: Path | None = None  # the sweep that was typed in this process


def note(**facts: Any) -> None:
    """Put facts into the record of the job that runs; without a sweep or ferlab.reproduce they go nowhere."""
    _noted.update(facts)
    if record := os.environ.get(RECORD):
        runs.write_json(Path(record), _noted)


class Bookkeeper:
    """Hydra's callback (conf/train.yaml, hydra.callbacks): it travels with the jobs into every launcher's processes."""

    def on_multirun_start(self, config: Any, **_: Any) -> None:
        global _open
        _open = Path(config.hydra.sweep.dir)
        for old in _open.glob(f"*/{JOB}"):  # of an earlier sweep, where hydra.sweep.dir is typed
            old.unlink()
        _open.mkdir(parents=True, exist_ok=True)
        jobs = [_job(num, overrides) for num, overrides in enumerate(cli.jobs(config))]
        runs.write_json(_open / SWEEP, {"command": cli.line(config), "jobs": jobs})

    def on_job_start(self, config: Any, **_: Any) -> None:
        global _held
        if config.hydra.mode.name != "MULTIRUN":
            return
        _noted.clear()
        folder = Path(config.hydra.runtime.output_dir)
        _held = FileLock(folder / LOCK)
        _held.acquire()
        _noted["started"] = time.time()
        runs.write_json(folder / JOB, _record(config))

    def on_job_end(self, config: Any, job_return: Any, **_: Any) -> None:
        if config.hydra.mode.name != "MULTIRUN":
            return
        value = job_return._return_value  # the property of that name would raise the error and print it again
        if job_return.status.name == "FAILED":
            end = {"status": "failed", "error": _one_line(value)}
        else:
            known = isinstance(value, float) and math.isfinite(value)
            end = {"status": _noted.get("status", "finished"), "val_accuracy": value if known else None}
        end["seconds"] = round(time.time() - _noted["started"], 1)
        runs.write_json(Path(config.hydra.runtime.output_dir) / JOB, _record(config) | end)
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
    _print(folder, jobs)
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
        runs.write_json(folder / SWEEP, {"command": sweep["command"], "jobs": found})
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


def _counts(jobs: list[dict[str, Any]]) -> str:
    states = [job["status"] for job in jobs]
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))


def _rows(jobs: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
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


_COLUMNS = ("job", "status", "overrides", "val accuracy", "seconds", "run")


def _markdown(folder: Path, jobs: list[dict[str, Any]]) -> str:
    shared, rows = _rows(jobs)
    lines = [f"# Sweep {folder.name}: {_counts(jobs)}", ""]
    if shared:
        lines += [f"All jobs: `{' '.join(shared)}`", ""]
    lines += ["| " + " | ".join(_COLUMNS) + " |", "|" + " --- |" * len(_COLUMNS)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    for job in jobs:
        if "again" in job:
            lines += ["", f"Job {job['num']} {job['status']}{_reason(job)}", "", f"    {job['again']}"]
    return "\n".join(lines) + "\n"


def _reason(job: dict[str, Any]) -> str:
    return f": {job['error']}" if job["error"] else ""


def _print(folder: Path, jobs: list[dict[str, Any]]) -> None:
    shared, rows = _rows(jobs)
    table = Table(title=f"sweep {folder}: {_counts(jobs)}", title_justify="left")
    for name in _COLUMNS:
        table.add_column(name, overflow="fold")  # a cut name could not be typed
    for row in rows:
        table.add_row(*row)
    out = Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
    out.print(table)
    if shared:
        out.print(f"all jobs: {' '.join(shared)}", soft_wrap=True)
    for job in jobs:
        if "again" in job:
            out.print(f"job {job['num']} {job['status']}{_reason(job)}\n  {job['again']}", soft_wrap=True)
    if any("again" in job for job in jobs):
        out.print("the same line with skip_finished=true trains only what is missing", soft_wrap=True)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("ferlab: expected one folder; type python -m ferlab.sweeps outputs/sweeps/DATE")
    folder = Path(sys.argv[1])
    try:
        _print(folder, summarize(folder))
    except FerlabError as error:
        sys.exit(f"ferlab: {error}")


if __name__ == "__main__":
    main()
