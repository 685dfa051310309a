"""Every look at a test split, one JSON line each: what was looked at, when, and how often before.

The ledger does not forbid a look; it makes a number that was chosen on the test split recognisable as such.
"""

import errno
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from ferlab.errors import FerlabError
from ferlab.files import Json, naming

NAME = "ledger.jsonl"  # in the folder of the runs


def look(
    path: str | Path,
    runs: Sequence[str],
    weights_sha256: Sequence[str],
    data: str,
    split: str,
    commit: str | None,
    tta: Sequence[str],
    ensemble_sha256: str | None = None,
) -> Json:
    """Append a look at `split` to the ledger and return its entry.

    Args:
        path: the ledger, a .jsonl file; made when it is not there.
        runs, weights_sha256: name and checksum of each run; several make one ensemble.
        split: `test`; validation may be looked at freely.
        commit, tta: of the evaluating code; titles of the view sets that this look is for.
        ensemble_sha256: of an ensemble that was chosen on val.

    Returns:
        The entry: `looks_before` counts earlier looks by these weights, `looks_before_at_data` by anything at the data.

    Raises:
        FerlabError: the ledger holds a line that is no entry, or the disk refuses; it is as before then.
        ValueError: another split than `test`.
    """
    if split != "test":
        raise ValueError(f"only looks at the test split are counted, not at {split!r}")
    path = Path(path)
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two jobs of a sweep end together: count and append under one lock.
        with FileLock(f"{path}.lock"):
            entry: Json = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "runs": list(runs)}
            entry |= {"weights_sha256": list(weights_sha256), "data": data, "split": split, "tta": list(tta)}
            entry |= {"commit": commit, **_looks_before(entries(path), sorted(weights_sha256), data)}
            if ensemble_sha256 is not None:
                entry["ensemble_sha256"] = ensemble_sha256
            _append(path, entry)
    return entry


def _looks_before(earlier: Sequence[Json], weights: Sequence[str], data: str) -> Json:
    return {
        "looks_before": sum(sorted(entry["weights_sha256"]) == weights for entry in earlier),
        "looks_before_at_data": sum(entry["data"] == data for entry in earlier),
    }


def _append(path: Path, entry: Mapping[str, Any]) -> None:
    line = json.dumps(entry).encode() + b"\n"
    with path.open("ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        try:
            if file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)  # half a line is no entry, and every later look would be refused
            raise


def entries(path: str | Path) -> list[Json]:
    """All looks in the ledger, oldest first; none when there is no file yet.

    Raises:
        FerlabError: a line is no entry.
    """
    path = Path(path)
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            entry = json.loads(line)
            entry["weights_sha256"], entry["data"]
        except (ValueError, TypeError, KeyError):
            raise FerlabError(
                f"line {number} of {path} is not a look at a test split: {line[:60]!r}; "
                "expected one JSON object with weights_sha256 and data; restore the line or take it out"
            ) from None
        found.append(entry)
    return found


def known(path: str | Path | None, runs: Iterable[Path]) -> list[Json] | None:
    """All looks in the ledger `path`, or for None in those of the folders that hold `runs`; None where there is none.

    Raises:
        FerlabError: a line is no entry.
    """
    beside = (folder / NAME for run in runs for folder in (run.parent, run.parent.parent))  # an ensemble lies deeper
    there = [place for place in dict.fromkeys(beside if path is None else [Path(path)]) if place.is_file()]
    return [entry for place in there for entry in entries(place)] if there else None
