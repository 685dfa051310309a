"""A run directory is written by one process at a time, which is named to all others."""

import contextlib
import json
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from ferlab import files
from ferlab.errors import FerlabError

LOCK, HOLDER = ".lock", ".lock.json"
_WAIT_S = 10  # the workers of a killed training hold its lock until they notice, which takes 5 s


@contextlib.contextmanager
def alone(run: Path) -> Iterator[None]:
    """Hold a run directory; without effect on a disk that has no locks.

    Raises:
        FerlabError: another process holds it.
    """
    lock, holder = FileLock(run / LOCK), run / HOLDER
    try:
        lock.acquire(timeout=_WAIT_S)
    except Timeout:
        raise FerlabError(f"{run} is written by {_named(holder)}; wait for its end, or end it first") from None
    except (OSError, NotImplementedError):
        yield
        return
    try:
        since = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        files.write_json(holder, {"pid": os.getpid(), "host": platform.node(), "since": since})
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink()
        lock.release()


def _named(holder: Path) -> str:
    try:
        known = json.loads(holder.read_text())
        return f"process {known['pid']} on {known['host']} since {known['since']}"
    except (OSError, ValueError, KeyError):
        return "another process"
