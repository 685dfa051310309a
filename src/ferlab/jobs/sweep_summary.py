"""The folder of a sweep, read: what became of each job, whichever launcher ran it; `ferlab.sweeps` prints it.

outputs/sweeps/DATE/    sweep.json, sweep.md   every job: finished, skipped, failed, killed or not started
                        N/job.json             one job, written where it ran; N/job.lock is held while it runs
                        N/note.json            what the job itself noted
"""

import shlex
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console
from rich.table import Table

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.runs import shapes

JOB, LOCK, NOTE, SWEEP, SUMMARY = "job.json", "job.lock", "note.json", "sweep.json", "sweep.md"
_MEND = "remove it, or start the sweep again"
GOOD = ("finished", "skipped")
COLUMNS = ("job", "status", "overrides", "val accuracy", "seconds", "run")
SEED_COLUMNS = ("overrides", "seeds", "val accuracy, mean ± sd", "lowest", "highest")


@dataclass
class Job:
    """One job of a sweep.

    Attributes:
        status: finished, skipped, failed, killed, running or not started.
        run: the run directory, once the job has one.
        error: one line, of a failed job.
        again: the command that repeats the job, where it did not end well.
    """

    num: int
    overrides: list[str]
    status: str = "not started"
    run: str | None = None
    val_accuracy: float | None = None
    seconds: float | None = None
    error: str | None = None
    again: str | None = None


@dataclass
class Sweep:
    """A sweep: the command without overrides, and every job in order."""

    command: list[str]
    jobs: list[Job]

    @property
    def counts(self) -> str:
        """How many jobs have which status, as `3 finished, 1 failed`."""
        states = [job.status for job in self.jobs]
        return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))


@dataclass(frozen=True)
class Note:
    """What a job notes while it runs: its run directory, and how it ends if it ends well."""

    run: str | None = None
    status: str = "finished"


def noted(folder: Path) -> Note:
    """What the job of a folder noted."""
    place = folder / NOTE
    return shapes.read(Note, files.read_json(place, _MEND), place, _MEND) if place.is_file() else Note()


def summarize(folder: Path, wait: bool = False) -> Sweep:
    """Every job of a sweep, with the command that repeats those that did not end well; into sweep.json and sweep.md.

    `wait` until jobs that still run have ended: where a job was killed, submitit's launcher does not.

    Raises:
        FerlabError: no sweep's folder.
    """
    try:
        kept = shapes.read(Sweep, files.read_json(folder / SWEEP, _MEND), SWEEP, _MEND)
    except FerlabError as error:
        raise FerlabError(f"{folder} is no sweep's folder ({error}); expected outputs/sweeps/DATE") from error
    sweep = Sweep(kept.command, [Job(job.num, job.overrides) for job in kept.jobs])
    jobs = {job.num: job for job in sweep.jobs} | {
        job.num: job for job in (_read(path, wait) for path in folder.glob(f"*/{JOB}"))
    }
    sweep.jobs = [jobs[num] for num in sorted(jobs)]
    for job in sweep.jobs:
        if job.status not in (*GOOD, "running"):
            job.again = shlex.join([*sweep.command, *job.overrides])
    if any(job.status != "not started" for job in sweep.jobs):
        files.write_json(folder / SWEEP, asdict(sweep))
        files.write_text(folder / SUMMARY, _markdown(folder, sweep))
    return sweep


def _read(path: Path, wait: bool) -> Job:
    lock, lives = FileLock(path.with_name(LOCK)), False
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        lives = True
    finally:
        lock.release()
    job = shapes.read(Job, files.read_json(path, _MEND), path, _MEND)
    if job.status == "running":
        job.run, job.status = noted(path.parent).run, "running" if lives else "killed"
    return job


def rows_of(jobs: Sequence[Job]) -> tuple[list[str], list[list[str]]]:
    """Overrides that all jobs have, and for each job its row of a table, under `COLUMNS`."""
    shared = [word for word in jobs[0].overrides if all(word in job.overrides for job in jobs)]
    shared = shared if len(jobs) > 1 else []
    rows = []
    for job in jobs:
        accuracy = "" if job.val_accuracy is None else f"{100 * job.val_accuracy:.2f} %"
        seconds = "" if job.seconds is None else f"{job.seconds:.1f}"
        own = " ".join(word for word in job.overrides if word not in shared)
        rows.append([str(job.num), job.status, own, accuracy, seconds, job.run or ""])
    return shared, rows


def rows_over_seeds(jobs: Sequence[Job]) -> list[list[str]]:
    """A row under `SEED_COLUMNS` for jobs that differ in their seed alone, of two and more that have an accuracy.

    The deviation is the sample's, with n - 1.
    """
    groups: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        if job.status in GOOD and job.val_accuracy is not None:
            groups.setdefault(tuple(word for word in job.overrides if not word.startswith("seed=")), []).append(job)
    several = {words: found for words, found in groups.items() if len(found) > 1}
    shared = [word for word in next(iter(groups), ()) if all(word in words for words in groups)] if groups else []
    rows = []
    for words, found in several.items():
        values = [100 * job.val_accuracy for job in found if job.val_accuracy is not None]
        spread = f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f} %"
        own = " ".join(word for word in words if word not in shared)
        rows.append([own, str(len(values)), spread, f"{min(values):.2f} %", f"{max(values):.2f} %"])
    return rows


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def _markdown(folder: Path, sweep: Sweep) -> str:
    shared, rows = rows_of(sweep.jobs)
    lines = [f"# Sweep {folder.name}: {sweep.counts}", ""]
    if shared:
        lines += [f"All jobs: `{' '.join(shared)}`", ""]
    lines += _table(COLUMNS, rows)
    if over := rows_over_seeds(sweep.jobs):
        lines += ["", *_table(SEED_COLUMNS, over)]
    for job in sweep.jobs:
        if job.again:
            lines += ["", _became(job, capital=True), "", f"    {job.again}"]
    return "\n".join(lines) + "\n"


def _became(job: Job, capital: bool = False) -> str:
    return f"{'Job' if capital else 'job'} {job.num} {job.status}" + (f": {job.error}" if job.error else "")


def print_summary(folder: Path, sweep: Sweep) -> None:
    """Print the tables of a sweep's jobs and of its seeds, and the command that repeats each which did not end well."""
    shared, rows = rows_of(sweep.jobs)
    out = Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
    _print_table(out, f"sweep {folder}: {sweep.counts}", COLUMNS, rows)
    if shared:
        out.print(f"all jobs: {' '.join(shared)}", soft_wrap=True)
    if over := rows_over_seeds(sweep.jobs):
        _print_table(out, "over seeds", SEED_COLUMNS, over)
    again = [job for job in sweep.jobs if job.again]
    for job in again:
        out.print(f"{_became(job)}\n  {job.again}", soft_wrap=True)
    if again:
        out.print("the same line with skip_finished=true trains only what is missing", soft_wrap=True)


def _print_table(out: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, overflow="fold")  # a cut name could not be typed
    for row in rows:
        table.add_row(*row)
    out.print(table)
