"""What a process sets before a net computes on a CPU: its memory, and a hint where the cores are busy."""

import ctypes
import logging
import os
from functools import cache

log = logging.getLogger(__name__)


def ready() -> None:
    """Call before a net computes on a CPU."""
    keep_pages()
    hint_at_busy_cores()


@cache
def hint_at_busy_cores() -> None:
    """Say once what to type where other programs keep the cores busy: OpenMP's threads wait for each other spinning."""
    if {"OMP_NUM_THREADS", "OMP_WAIT_POLICY"} & os.environ.keys() or not hasattr(os, "sched_getaffinity"):
        return
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    if cores > 1 and load > cores:
        log.warning(
            "other programs keep the %d cores busy (load %.1f), and %d threads lose time waiting for each other; "
            "type OMP_NUM_THREADS=1 before the command, or OMP_WAIT_POLICY=PASSIVE",
            *(cores, load, cores),
        )


def keep_pages() -> None:
    """Let glibc keep freed pages: on a CPU each batch otherwise returns and faults in its activations anew."""
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # no glibc: macOS, Windows, musl
        return
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, (1 << 31) - 1)
