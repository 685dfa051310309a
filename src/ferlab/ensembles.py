"""The directory of an ensemble: its name, and the file that says of which weights it is.

members.json is written before the members are measured together, so what a name stands for is not chosen afterwards.
For a soft vote of runs it is a list of them. For an ensemble that was chosen on val (`ferlab.ensemble`) it is an object
that also says how they vote, in which views, and what val said; a checksum tells whether a line of it was changed.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ferlab import predictors, runs, views
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS

FOLDER = "ensembles"  # in outputs
_LONGEST_NAME = 72  # of one made of its members' names; file systems end at 255, terminals before
# What may change without the ensemble becoming another: where the runs lie, and who froze it when.
_CIRCUMSTANCES = ("path", "frozen_at", "commit", "environment", "sha256")


@dataclass(frozen=True)
class Vote:
    """M runs and how their probabilities become one.

    Attributes:
        members: the runs, M of them.
        weights: M of sum 1; None for equal ones.
        temperatures: M; None for none.
        specialists: runs of the second stage; `pairs` are the classes that they tell apart.
        folder, about: of a frozen ensemble, its directory and what its file says; else None.
    """

    members: tuple[runs.Run, ...]
    weights: tuple[float, ...] | None = None
    temperatures: tuple[float, ...] | None = None
    specialists: tuple[runs.Run, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    folder: Path | None = None
    about: Mapping[str, Any] | None = None

    @property
    def asked(self) -> tuple[runs.Run, ...]:
        """All that are asked: the members, then the specialists."""
        return (*self.members, *self.specialists)

    @property
    def sha256(self) -> str | None:
        """Of what was frozen; None where nothing was."""
        return self.about["sha256"] if self.about else None

    @property
    def frozen_views(self) -> tuple[str, tuple[views.View, ...], str] | None:
        """Name, views and space that a frozen ensemble was chosen with."""
        if self.about is None:
            return None
        seen = tuple(views.View(mirror, tuple(shift), zoom, turn) for mirror, shift, zoom, turn in self.about["views"])
        return self.about["tta"], seen, self.about["tta_space"]

    @property
    def choice(self) -> dict[str, Any]:
        """What a report says of a frozen ensemble besides its runs; nothing of any other."""
        if self.about is None:
            return {}
        told = {key: self.about[key] for key in ("method", "size", "chosen_on", "frozen_at")}
        told |= {"weights": list(self.weights), "temperatures": list(self.temperatures)}
        told["specialists"] = {one["name"]: one["pair"] for one in self.about["specialists"]}
        return told | {"model": "ensemble", "ensemble_sha256": self.sha256}

    def combine(self, answers: Sequence[Tensor]) -> Tensor:
        """Probabilities [N,7] of each run `asked`, over its views already, -> [N,7]."""
        n = len(self.members)
        weights = self.weights or (1 / n,) * n
        base = predictors.vote(answers[:n], weights, self.temperatures or (1.0,) * n)
        return predictors.resplit(base, self.pairs, answers[n:]) if self.pairs else base

    def predictor(self, seen: Sequence[views.View], space: str) -> nn.Module:
        """Faces [B,1,48,48] -> probabilities [B,7]: each run over these views, then the vote, then the specialists.

        One run by itself is its own model, and the face alone is no set of views: nothing is wrapped without need.
        """
        answering = [run.predictor() for run in self.asked]
        if tuple(seen) != (views.View(),):
            answering = [predictors.TestTimeAugmentation(one, seen, space) for one in answering]
        members, specialists = answering[: len(self.members)], answering[len(self.members) :]
        alone = len(members) == 1 and self.temperatures in (None, (1.0,))
        base = members[0] if alone else predictors.Ensemble(members, self.weights, self.temperatures)
        return predictors.Specialised(base, self.pairs, specialists) if self.pairs else base


def freeze(members: Sequence[runs.Run], outputs: Path, name: str | None = None) -> Path:
    """The directory of a soft vote of these runs, called `name` or after them, with members.json in it.

    Raises:
        FerlabError: the name could not be typed back, or stands for other weights already.
    """
    if name is not None:
        runs.refuse_name(name)
    folder = outputs / FOLDER / (name or _name_of(members))
    now = [{"name": r.name, "path": r.path.as_posix(), "weights_sha256": r.weights_sha256} for r in members]
    before = read(folder) if (folder / runs.MEMBERS).is_file() else []
    if isinstance(before, dict):
        raise FerlabError(f"{folder} is an ensemble chosen on val; give another name=")
    if before and _weights(before) != _weights(now):
        differing = sorted({m["name"] for m in [*before, *now] if (m in before) != (m in now)})
        raise FerlabError(
            f"{folder} is frozen with other members or weights (see {', '.join(differing)}); give another name=, or "
            f"delete {folder}"
        )
    if sorted(map(str, before)) != sorted(map(str, now)):  # new, or the runs were moved
        folder.mkdir(parents=True, exist_ok=True)
        runs.write_json(folder / runs.MEMBERS, now)
    return folder


def freeze_chosen(outputs: Path, name: str, chosen: Mapping[str, Any]) -> Path:
    """The directory of an ensemble that was chosen on val, with all that it is in members.json.

    Args:
        chosen: `members` and `specialists` (name, path, weights_sha256; weight and temperature, or pair), `tta`,
            `views`, `tta_space`, `method`, `size`, `temperature`, `chosen_on`, and the circumstances.

    Raises:
        FerlabError: the name could not be typed back, or stands for another ensemble already.
    """
    runs.refuse_name(name)
    folder = outputs / FOLDER / name
    now = json.loads(json.dumps({"name": name, "expressions": list(EXPRESSIONS), **chosen}))
    now["sha256"] = checksum(now)
    if (folder / runs.MEMBERS).is_file():
        before = read(folder)
        if isinstance(before, list) or before.get("sha256") != now["sha256"] or checksum(before) != now["sha256"]:
            raise FerlabError(f"{folder} is frozen with another choice; give another name=, or delete {folder}")
        now |= {key: before[key] for key in ("frozen_at", "commit", "environment")}  # it was frozen then
    folder.mkdir(parents=True, exist_ok=True)
    runs.write_json(folder / runs.MEMBERS, now)
    return folder


def chosen(patterns: str | Sequence[str], key: str = "runs") -> Vote | None:
    """The ensemble chosen on val whose directory is all that `patterns` names; None where it is something else.

    Raises:
        FerlabError: the file or the weights of a run are not those that were frozen; classes in another order.
    """
    given = [patterns] if isinstance(patterns, str) else list(patterns)
    if len(given) != 1 or not (Path(given[0]) / runs.MEMBERS).is_file():
        return None
    folder = Path(given[0])
    about = read(folder)
    if isinstance(about, list):
        return None
    if about.get("sha256") != checksum(about):
        raise FerlabError(
            f"{folder / runs.MEMBERS} was changed after it was frozen: expected sha256 {about.get('sha256')}, found "
            f"{checksum(about)}; restore it, or choose anew with python -m ferlab.ensemble name=NEW"
        )
    if about["expressions"] != list(EXPRESSIONS):
        raise FerlabError(f"{key}={folder} answers in the order {', '.join(about['expressions'])}; choose it anew")
    total = sum(member["weight"] for member in about["members"])  # 1 but for the digits that were cut
    return Vote(
        tuple(_load(member, folder) for member in about["members"]),
        tuple(member["weight"] / total for member in about["members"]),
        tuple(member["temperature"] for member in about["members"]),
        tuple(_load(one, folder) for one in about["specialists"]),
        tuple((EXPRESSIONS.index(one["pair"][0]), EXPRESSIONS.index(one["pair"][1])) for one in about["specialists"]),
        folder,
        about,
    )


def checksum(about: Mapping[str, Any]) -> str:
    """sha256 of what a frozen ensemble is, without the circumstances."""

    def bare(node: Any) -> Any:
        if isinstance(node, Mapping):
            return {key: bare(value) for key, value in node.items() if key not in _CIRCUMSTANCES}
        return [bare(value) for value in node] if isinstance(node, list | tuple) else node

    return hashlib.sha256(json.dumps(bare(about), sort_keys=True).encode()).hexdigest()


def _load(member: Mapping[str, Any], folder: Path) -> runs.Run:
    run = runs.load(member["path"])
    if run.weights_sha256 != member["weights_sha256"]:
        raise FerlabError(
            f"{run.weights} is not what {folder} was frozen with: expected sha256 {member['weights_sha256'][:16]}, "
            f"found {run.weights_sha256[:16]}; restore the run, or choose anew with python -m ferlab.ensemble name=NEW"
        )
    return run


def read(folder: Path) -> list[dict] | dict[str, Any]:
    """What members.json in an ensemble's directory says: a list for a soft vote, an object for what was chosen on val.

    Raises:
        FerlabError: it is missing or no JSON.
    """
    file = folder / runs.MEMBERS
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise FerlabError(f"{file} cannot be read ({error}); restore it, or delete {folder}") from error


def _weights(members: Sequence[dict]) -> list[str]:
    return sorted(member["weights_sha256"] for member in members)


def _name_of(members: Sequence[runs.Run]) -> str:
    name = "__".join(sorted(run.name for run in members))
    if len(name) <= _LONGEST_NAME:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    models = "-".join(sorted({str(run.info.get("model", "net")) for run in members}))
    return f"{len(members)}x-{models[:60]}-{mark}"
