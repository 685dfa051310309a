"""Memory that is freed and asked for again, as a net's activations are in each batch."""

import subprocess
import sys

import pytest

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
