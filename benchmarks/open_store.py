"""Opening a store of faces that is already there, against reading the csv that it was made from. CPU time.

    python -m benchmarks.open_store --raw data/fer2013

Both ways of opening are shown: checking sizes and shapes alone, and the sha256 of every array (`verify=True`). The
first costs about 2 ms whatever the size, so the ratio is that of a csv as long as FER2013's.
"""

import argparse
import logging
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import timing
from benchmarks.read_csv import write_csv
from ferlab.data import sources
from ferlab.data.store import open_faces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, help="folder with fer2013.csv; without it one of --rows rows is made")
    parser.add_argument("--rows", type=int, default=35_887)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    logging.disable()  # a made csv has not the published md5
    with tempfile.TemporaryDirectory() as temp:
        csv = args.raw / "fer2013.csv" if args.raw else write_csv(Path(temp) / "fer2013.csv", args.rows)

        def opened(verify: bool):
            return open_faces("fer2013_csv", csv, Path(temp) / "stores", "benchmark", verify=verify)

        print(f"open_store: {csv.name}, {csv.stat().st_size / 1e6:.0f} MB, on {timing.processor()}")
        np.testing.assert_array_equal(opened(False).pixels, sources.read("fer2013_csv", csv).pixels)
        contenders = {
            "reading the csv": lambda: sources.read("fer2013_csv", csv),
            "opening the store": lambda: opened(False),
            "opening the store, bytes verified": lambda: opened(True),
        }
        times = timing.in_turn(contenders, args.repeats)
        timing.show(times, "opening the store", target=200)
        del times["opening the store"]
        timing.show(times, "opening the store, bytes verified")


if __name__ == "__main__":
    main()
