"""The directory of an ensemble: its name, and the file that says of which weights it is.

members.json is written before the members are measured together, so what a name stands for is not chosen afterwards.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from ferlab import runs
from ferlab.errors import FerlabError

FOLDER = "ensembles"  # in outputs
_LONGEST_NAME = 72  # of one made of its members' names; file systems end at 255, terminals before


def freeze(members: Sequence[runs.Run], outputs: Path, name: str | None = None) -> Path:
    """The directory of an ensemble of these runs, called `name` or after them, with members.json in it.

    Raises:
        FerlabError: the name could not be typed back, or stands for other weights already.
    """
    if name is not None:
        runs.refuse_name(name)
    folder = outputs / FOLDER / (name or _name_of(members))
    now = [{"name": r.name, "path": r.path.as_posix(), "weights_sha256": r.weights_sha256} for r in members]
    file = folder / runs.MEMBERS
    before = json.loads(file.read_text()) if file.is_file() else []
    if before and _weights(before) != _weights(now):
        differing = sorted({m["name"] for m in [*before, *now] if (m in before) != (m in now)})
        raise FerlabError(
            f"{folder} is frozen with other members or weights (see {', '.join(differing)}); give another name=, or "
            f"delete {folder}"
        )
    if sorted(map(str, before)) != sorted(map(str, now)):  # new, or the runs were moved
        folder.mkdir(parents=True, exist_ok=True)
        runs.write_json(file, now)
    return folder


def _weights(members: Sequence[dict]) -> list[str]:
    return sorted(member["weights_sha256"] for member in members)


def _name_of(members: Sequence[runs.Run]) -> str:
    name = "__".join(sorted(run.name for run in members))
    if len(name) <= _LONGEST_NAME:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    models = "-".join(sorted({str(run.info.get("model", "net")) for run in members}))
    return f"{len(members)}x-{models[:60]}-{mark}"
