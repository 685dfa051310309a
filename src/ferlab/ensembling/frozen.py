"""The directory of an ensemble: its name, and the file that says of which weights it is.

members.json is written before the members are measured together, so what a name stands for is not chosen later.
For runs of equal weight it is a list of them. For an ensemble that was chosen on val (`ferlab.ensemble`) it is an
object that also holds their weights, the view set and the figures on val; a checksum shows whether a line was changed.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.files import Json
from ferlab.predictors.views import SPACES, View
from ferlab.runs import directory, shapes

FOLDER = "ensembles"  # in outputs
_LONGEST_NAME = 72  # of one made of its members' names; file systems end at 255, terminals before
# What may change without the ensemble becoming another: where the runs lie, and who froze it when.
_CIRCUMSTANCES = ("path", "frozen_at", "commit", "environment", "sha256")


class _Member(TypedDict):
    name: str
    path: str
    weights_sha256: NotRequired[str]  # lists of old ensembles may lack it


class _Weighted(_Member):
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Specialist(_Member):
    pair: Annotated[
        list[Annotated[str, Field(pattern=f"^({'|'.join(EXPRESSIONS)})$")]], Field(min_length=2, max_length=2)
    ]


class Chosen(TypedDict):
    """What members.json holds of an ensemble that was chosen on val."""

    members: Annotated[list[_Weighted], Field(min_length=1)]
    specialists: list[_Specialist]
    method: str
    size: int
    chosen_on: Json
    frozen_at: str
    tta: str
    tta_space: Annotated[str, Field(pattern=f"^({'|'.join(SPACES)})$")]
    views: Annotated[list[View], Field(min_length=1)]


def freeze(members: Sequence[directory.Run], outputs: Path, name: str | None = None) -> Path:
    """The directory of an ensemble of equal weights, called `name` or after its runs, with members.json in it.

    Raises:
        FerlabError: the name could not be typed back, or stands for other weights already.
    """
    if name is not None:
        files.refuse_name(name)
    folder = outputs / FOLDER / (name or name_of(members))
    now = [{"name": r.name, "path": r.path.as_posix(), "weights_sha256": r.weights_sha256} for r in members]
    before = read(folder) if (folder / directory.MEMBERS).is_file() else []
    if isinstance(before, dict):
        raise FerlabError(f"{folder} is an ensemble chosen on val; give another name=")
    if before and _weights(before) != _weights(now):
        differing = sorted({m["name"] for m in [*before, *now] if (m in before) != (m in now)})
        raise FerlabError(
            f"{folder} is frozen with other members or weights (see {', '.join(differing)}); give another name=, or "
            f"delete {folder}"
        )
    if sorted(map(str, before)) != sorted(map(str, now)):  # new, or the runs were moved
        files.write_json(folder / directory.MEMBERS, now)
    return folder


def freeze_chosen(outputs: Path, name: str, chosen: Mapping[str, Any]) -> Path:
    """The directory of an ensemble that was chosen on val, with all that it is in members.json.

    Args:
        chosen: `members` and `specialists` (name, path, weights_sha256; weight and temperature, or pair), `tta`,
            `views`, `tta_space`, `method`, `size`, `temperature`, `chosen_on`, and the circumstances.

    Raises:
        FerlabError: the name could not be typed back, or stands for another ensemble already.
    """
    files.refuse_name(name)
    folder = outputs / FOLDER / name
    now = json.loads(json.dumps({"name": name, "expressions": list(EXPRESSIONS), **chosen}))
    now["sha256"] = frozen_sha256(now)
    if (folder / directory.MEMBERS).is_file():
        before = read(folder)
        if isinstance(before, list) or before.get("sha256") != now["sha256"] or frozen_sha256(before) != now["sha256"]:
            raise FerlabError(f"{folder} is frozen with another choice; give another name=, or delete {folder}")
        now |= {key: before[key] for key in ("frozen_at", "commit", "environment")}  # it was frozen then
    files.write_json(folder / directory.MEMBERS, now)
    return folder


def frozen_sha256(kept: Mapping[str, Any]) -> str:
    """sha256 of what a frozen ensemble is, without the circumstances."""

    def bare(node: Any) -> Any:
        if isinstance(node, Mapping):
            return {key: bare(value) for key, value in node.items() if key not in _CIRCUMSTANCES}
        return [bare(value) for value in node] if isinstance(node, list | tuple) else node

    return hashlib.sha256(json.dumps(bare(kept), sort_keys=True).encode()).hexdigest()


def read(folder: Path) -> list[dict] | Json:
    """The content of members.json in an ensemble's directory: a list for equal weights, an object for a choice on val.

    Raises:
        FerlabError: it is missing, no JSON, or neither of the two.
    """
    file, mend = folder / directory.MEMBERS, f"restore it, or delete {folder}"
    content = files.read_json(file, mend)
    if isinstance(content, dict):  # `named` compares its checksum first
        return content
    shapes.read(list[_Member], content, file, mend)
    return content


def _weights(members: Sequence[dict]) -> list[str]:
    return sorted(member["weights_sha256"] for member in members)


def name_of(members: Sequence[directory.Run]) -> str:
    """The name of an ensemble without one of its own: its members' names, shortened where they are long."""
    name = "__".join(sorted(run.name for run in members))
    if len(name) <= _LONGEST_NAME:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    models = re.sub(r"[^\w.+-]", "-", "-".join(sorted({str(run.info.get("model", "net")) for run in members})))
    return f"{len(members)}x-{models[:60]}-{mark}"
