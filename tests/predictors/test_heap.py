"""Memory that is freed and asked for again, as a net's activations are in each batch; and the hint at busy cores."""

import os
import subprocess
import sys

import pytest

from ferlab.predictors import heap

FAULTS = """
import resource, sys
import numpy as np
from ferlab.predictors import heap

if sys.argv[1] == "kept":
    heap.keep_pages()
np.ones(8_000_000, np.float32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(8_000_000, np.float32)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_pages_are_faulted_in_once():
    def faults(how: str) -> int:
        return int(subprocess.check_output([sys.executable, "-c", FAULTS, how], text=True))

    assert faults("kept") < faults("returned") / 100


@pytest.mark.skipif(sys.platform != "linux", reason="the cores that a process may use")
@pytest.mark.parametrize(
    ("load", "cores", "typed", "said"),
    [
        *((2.5, 2, {}, True), (2.0, 2, {}, False), (9.0, 1, {}, False)),
        *((9.0, 2, {"OMP_NUM_THREADS": "1"}, False), (9.0, 2, {"OMP_WAIT_POLICY": "PASSIVE"}, False)),
    ],
)
def test_busy_cores_are_hinted_at_once(monkeypatch, caplog, load, cores, typed, said):
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in typed.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    heap.hint_at_busy_cores.cache_clear()
    heap.hint_at_busy_cores()
    heap.hint_at_busy_cores()
    assert ["OMP_NUM_THREADS=1" in message for message in caplog.messages] == [True] * said
