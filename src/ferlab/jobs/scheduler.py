"""Jobs in, what became of each out: commands that run side by side, spread over devices, each into its own log file.

FOLDER/JOB.log    what the job printed, one start after another
FOLDER/JOB.json   what the job itself recorded (`RECORD` names the file to it)
FOLDER/lock       held while this process or one of its jobs lives
"""

import contextlib
import fcntl
import logging
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from ferlab.errors import FerlabError

log = logging.getLogger(__name__)

RECORD = "FERLAB_JOB_RECORD"  # the environment variable that names a job's JSON file to it
FINISHED, THERE, FAILED, SKIPPED = "finished", "there already", "failed", "skipped"
_POLL = 0.1  # seconds between two looks at the jobs
_GRACE = 60  # seconds that a job has to save its state and end


@dataclass(frozen=True)
class Job:
    """A command that starts once others have ended.

    Attributes:
        name: unique, as `cells/vgg16-fer2013-none-s0`; the log file is called so too.
        line: gives the words after `python -m` when the job starts: they may name what the jobs before it have made.
        needs: names of the jobs that must have ended well.
        makes: a file; where it is there the job is left out. None: the command itself knows what is done.
    """

    name: str
    line: Callable[[], list[str]]
    needs: frozenset[str] = frozenset()
    makes: Path | None = None

    def typed(self) -> str:
        """The command as it can be typed."""
        return shlex.join(["python", "-m", *self.line()])


@dataclass(frozen=True)
class Ended:
    """What became of a job: `status` is finished, there already, failed or skipped; `reason` is a remark on it."""

    name: str
    status: str
    reason: str

    @property
    def good(self) -> bool:
        return self.status in (FINISHED, THERE)


@dataclass
class _Running:
    job: Job
    device: str
    log: Path
    process: subprocess.Popen[bytes]
    started: float = field(default_factory=time.monotonic)


def run(jobs: Sequence[Job], folder: Path, devices: Sequence[str] = (), at_once: int = 1) -> list[Ended]:
    """Run every job whose needs end well; a job that fails stops only the jobs behind it.

    Args:
        jobs: `needs` that are not among them count as met.
        folder: holds logs and records.
        devices: values of CUDA_VISIBLE_DEVICES; without any the machine counts as one device and the variable stays.
        at_once: jobs at a time on each device.

    Raises:
        FerlabError: another call works in the folder.
        SystemExit: status 143 after SIGTERM and 130 after Ctrl-C, when the children are ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ended: dict[str, Ended] = {}
    running: list[_Running] = []
    with _alone(folder) as lock, _listening() as signals:
        pool = _Pool(folder, list(devices) or [""], at_once, lock)
        names = {job.name for job in jobs}
        waiting = [replace(job, needs=job.needs & names) for job in jobs]
        try:
            while (waiting or running) and not signals:
                for one in [one for one in running if one.process.poll() is not None]:
                    running.remove(one)
                    _note(ended, _outcome(one))
                waiting = [job for job in waiting if not _begun(job, running, ended, pool)]
                time.sleep(_POLL if running else 0)
        finally:
            _end(running, signals)
    if waiting or running:
        log.error(
            "stopped by %s; %d jobs were ended and %d had not started; type the same command again to go on from there",
            *(signal.Signals(signals[0]).name, len(running), len(waiting)),
        )
        raise SystemExit(128 + signals[0])
    return [ended[job.name] for job in jobs]


def _begun(job: Job, running: list[_Running], ended: dict[str, Ended], pool: "_Pool") -> bool:
    """Start a job, or settle it without a start; False while it must wait."""
    if job.needs - ended.keys():
        return False
    if bad := sorted(name for name in job.needs if not ended[name].good):
        _note(ended, Ended(job.name, SKIPPED, f"it needs {', '.join(bad)}"))
    elif job.makes and job.makes.exists():
        _note(ended, Ended(job.name, THERE, str(job.makes)))
    elif (device := pool.free(running)) is not None:
        running.append(pool.start(job, device))
    else:
        return False
    return True


@dataclass
class _Pool:
    """Where jobs run: each on the device with the fewest of them, in turn where several have as few."""

    folder: Path
    devices: list[str]
    at_once: int
    lock: int
    starts: Counter[str] = field(default_factory=Counter)

    def free(self, running: Sequence[_Running]) -> str | None:
        load = Counter(one.device for one in running)
        device = min(self.devices, key=lambda device: (load[device], self.starts[device]))
        return device if load[device] < self.at_once else None

    def start(self, job: Job, device: str) -> _Running:
        path = self.folder / f"{job.name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {RECORD: str(path.with_suffix(".json")), "PYTHONUNBUFFERED": "1"}
        environment.pop("WANDB_RUN_ID", None)  # it is one, and the jobs are many
        if device:
            environment["CUDA_VISIBLE_DEVICES"] = device
        with path.open("ab") as out:
            out.write(f"$ {job.typed()}\n".encode())
            out.flush()
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", *job.line()],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=[self.lock],  # the lock lasts as long as any job, though this process be killed
                preexec_fn=_leave_interrupts,
            )
        self.starts[device] += 1
        log.info("%s: started%s, log %s", job.name, device and f" on device {device}", path)
        return _Running(job, device, path, process)


def _leave_interrupts() -> None:
    """Ctrl-C reaches all processes of a terminal: only the parent acts on it, by SIGTERM, which saves the state."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _outcome(one: _Running) -> Ended:
    seconds, status = time.monotonic() - one.started, one.process.returncode
    if status == 0:
        return Ended(one.job.name, FINISHED, f"{seconds:.1f} s")
    how = f"status {status}" if status > 0 else signal.Signals(-status).name
    last = (one.log.read_bytes()[-2000:].decode(errors="replace").strip().splitlines() or [""])[-1]
    return Ended(one.job.name, FAILED, f"{how} after {seconds:.1f} s: {last}; log {one.log}")


def _note(ended: dict[str, Ended], outcome: Ended) -> None:
    ended[outcome.name] = outcome
    log.info("%s: %s, %s", outcome.name, outcome.status, outcome.reason)


def _end(running: Sequence[_Running], signals: Sequence[int]) -> None:
    """SIGTERM for all, then SIGKILL for those that do not end in time or when a second signal comes."""
    for one in running:
        one.process.terminate()
    until = time.monotonic() + _GRACE
    for one in running:
        while one.process.poll() is None and time.monotonic() < until and len(signals) < 2:
            time.sleep(_POLL)
        one.process.kill()
        one.process.wait()


@contextlib.contextmanager
def _listening() -> Iterator[list[int]]:
    """The signals that ask this process to stop, as they come."""
    caught: list[int] = []
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.signal(kind, lambda number, _: caught.append(number)) for kind in kinds}
    try:
        yield caught
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[int]:
    """Hold the folder's lock, whose file descriptor the jobs inherit.

    Raises:
        FerlabError: another process holds it, perhaps a job of a call that was killed.
    """
    file: IO[str]
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FerlabError(
                f"another call, or a job that it left behind, still works in {folder}; wait for its end, or end it "
                f"(fuser {folder / 'lock'} names the processes)"
            ) from None
        yield file.fileno()


def devices_there(wanted: int | None = None) -> list[str]:
    """GPUs of this machine as values of CUDA_VISIBLE_DEVICES, all of them or the first `wanted`; none is no error.

    Raises:
        FerlabError: fewer are there than wanted.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        found = visible.replace(",", " ").split()
    elif command := shutil.which("nvidia-smi"):
        query = [command, "--query-gpu=index", "--format=csv,noheader"]
        done = subprocess.run(query, capture_output=True, text=True)  # noqa: S603
        found = done.stdout.split() if done.returncode == 0 else []
    else:
        found = []
    if wanted is not None and wanted > len(found):
        raise FerlabError(f"devices is {wanted}, and {len(found)} GPUs are there; type devices=auto")
    return found[:wanted]
