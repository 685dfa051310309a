"""`python -m ferlab.sweeps outputs/sweeps/DATE`: the summary of a sweep, written and printed again.

Each job has finished, failed, was skipped or killed, still runs or has not started.
"""

import sys
from pathlib import Path

from ferlab.cli import ending
from ferlab.errors import FerlabError


def main() -> None:
    with ending():
        from ferlab.jobs.sweep_summary import print_summary, summarize

        if {"-h", "--help"} & set(sys.argv[1:]):
            print(__doc__)
            return
        if len(sys.argv) != 2:
            raise FerlabError("expected one folder; type python -m ferlab.sweeps outputs/sweeps/DATE")
        folder = Path(sys.argv[1])
        print_summary(folder, summarize(folder))


if __name__ == "__main__":
    main()
