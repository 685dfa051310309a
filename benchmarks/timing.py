"""How every benchmark here measures: CPU time, the contenders in turn within one run, medians and their spread.

Wall time on a shared machine says how busy the others were; and two runs differ by which processor they met. So
only ratios within a run are worth quoting, with the processor's name.
"""

import json
import multiprocessing
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def processor() -> str:
    """The CPU's model name, and on Linux whether it has VNNI, on which the speed of eight-bit nets hangs."""
    if sys.platform == "linux":
        about = Path("/proc/cpuinfo").read_text()
        for line in about.splitlines():
            if line.startswith("model name"):
                return f"{line.split(':', 1)[1].strip()} {'with' if 'vnni' in about else 'without'} VNNI"
    return platform.processor() or platform.machine()


def cpu_seconds() -> float:
    """CPU time so far of this process, all its threads, and its finished children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def in_turn(contenders: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """CPU seconds of each call: every contender once to warm up, then all of them in turn, `repeats` times."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(repeats + 1):
        for name, call in contenders.items():
            start = cpu_seconds()
            call()
            if turn:
                times[name].append(cpu_seconds() - start)
    return times


def _peak_mib(call: Callable[..., Any], args: tuple, answer: Any) -> None:
    call(*args)
    if sys.platform == "linux":
        # Not ru_maxrss: a child inherits there what its parent held before the exec.
        status = Path("/proc/self/status").read_text()
        answer.put(int(status.split("VmHWM:")[1].split()[0]) / 1024)
    else:
        answer.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def peak_mib(call: Callable[..., Any], *args: Any) -> float:
    """Most memory, MiB, that a fresh process held while it made this one call, imports included."""
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    child = context.Process(target=_peak_mib, args=(call, args, answer))
    child.start()
    child.join()
    if child.exitcode:
        raise RuntimeError(f"the child process that called {call.__name__} ended with {child.exitcode}")
    return answer.get()


def show(times: dict[str, list[float]], ours: str, per: int = 1, unit: str = "ms", target: float | None = None) -> None:
    """Print each contender's median and spread, and how many times the CPU time of `ours` the first one takes.

    Args:
        times: of `in_turn`; the first contender is the reference.
        ours: the contender that the ratio is of.
        per: number of things (faces, say) that one call deals with; times are printed for one.
        unit: `ms` or `us`.
        target: the ratio hoped for.
    """
    factor = {"ms": 1e3, "us": 1e6}[unit] / per
    for name, seconds in times.items():
        low, middle, high = (f(seconds) * factor for f in (min, statistics.median, max))
        print(f"  {name:44s} {middle:10.3f} {unit} CPU  ({low:.3f} to {high:.3f}, {len(seconds)} repeats)")
    reference = next(iter(times))
    turns = [a / b for a, b in zip(times[reference], times[ours], strict=True)]
    wanted = (
        "" if target is None else f"; target {target:g}: {'met' if statistics.median(turns) >= target else 'MISSED'}"
    )
    print(f"  {ours}: {statistics.median(turns):.1f} times less ({min(turns):.1f} to {max(turns):.1f}){wanted}")


def keep(path: Path, name: str, measured: dict[str, Any]) -> None:
    """Write what was measured into a JSON under a name, and leave what else it holds."""
    record = json.loads(path.read_text()) if path.exists() else {}
    record[name] = {"processor": processor(), **measured}
    path.write_text(json.dumps(record, indent=1) + "\n")
