"""Sweeps: what became of each job of a multirun, whichever launcher ran it, and which runs need no second training.

outputs/sweeps/DATE/    sweep.json, sweep.md   every job: finished, skipped, failed, killed or not started
                        N/job.json             one job, written where it ran; N/job.lock is held while it runs

`python -m ferlab.sweeps outputs/sweeps/DATE` writes and prints the summary again.
"""

import sys
from pathlib import Path

from ferlab.errors import FerlabError
from ferlab.jobs.sweep_record import print_summary, summarize


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("ferlab: expected one folder; type python -m ferlab.sweeps outputs/sweeps/DATE")
    folder = Path(sys.argv[1])
    try:
        print_summary(folder, summarize(folder))
    except FerlabError as error:
        sys.exit(f"ferlab: {error}")


if __name__ == "__main__":
    main()
