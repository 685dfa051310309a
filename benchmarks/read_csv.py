"""Reading fer2013.csv: ferlab's reader against pandas with a split per row. CPU time and peak memory.

python -m benchmarks.read_csv --csv data/fer2013/fer2013.csv
"""

import argparse
import logging
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import timing
from ferlab.data import sources

# FER2013's Usage names, in its order.
_USAGES = (("Training", 0.8), ("PublicTest", 0.1), ("PrivateTest", 0.1))


def write_csv(path: Path, rows: int) -> Path:
    """A csv in the layout of fer2013.csv, about 8.4 kB a row, of grey noise."""
    rng = np.random.default_rng(0)
    usages = np.repeat([name for name, _ in _USAGES], [round(rows * share) for _, share in _USAGES])
    words = np.array([str(level) for level in range(256)], dtype=object)
    with path.open("w") as file:
        file.write("emotion,pixels,Usage\n")
        for usage in usages:
            face = " ".join(words[rng.integers(0, 256, 48 * 48)])
            file.write(f"{rng.integers(7)},{face},{usage}\n")
    return path


def by_pandas(path: Path) -> np.ndarray:
    """uint8 [N,48,48], as most notebooks read it."""
    import pandas

    frame = pandas.read_csv(path)
    return np.stack([np.array(row.split(), dtype=np.uint8) for row in frame["pixels"]]).reshape(-1, 48, 48)


def by_ferlab(path: Path) -> np.ndarray:
    """uint8 [N,48,48]."""
    logging.disable()  # a made csv has not the published md5
    return sources.read("fer2013_csv", path).pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, help="fer2013.csv; without it one of --rows rows is made")
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temp:
        path = args.csv or write_csv(Path(temp) / "fer2013.csv", args.rows)
        print(f"read_csv: {path.name}, {path.stat().st_size / 1e6:.0f} MB, on {timing.processor()}")
        np.testing.assert_array_equal(by_pandas(path), by_ferlab(path))
        contenders = {"pandas, a split per row": lambda: by_pandas(path), "ferlab": lambda: by_ferlab(path)}
        timing.show(timing.in_turn(contenders, args.repeats), "ferlab", target=5)
        for name, call in (("pandas, a split per row", by_pandas), ("ferlab", by_ferlab)):
            print(f"  {name:44s} {timing.peak_mib(call, path):10.0f} MiB at most, imports included")


if __name__ == "__main__":
    main()
