"""What is measured: a run, several as an ensemble, or an ensemble that was chosen on val."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ferlab.ensembling.frozen import frozen_sha256, read
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.predictors import predictor, views
from ferlab.predictors.of_run import predictor_of
from ferlab.predictors.views import ViewSet
from ferlab.runs import directory
from ferlab.runs.directory import MEMBERS, find


@dataclass(frozen=True)
class Subject:
    """M runs and how their probabilities become one.

    Attributes:
        members: the runs, M of them.
        weights: M of sum 1; None for equal ones.
        temperatures: M; None for none.
        specialists: runs of the second stage; `pairs` are the classes that they tell apart.
        folder, about: of a frozen ensemble, its directory and what its file says; else None.
    """

    members: tuple[directory.Run, ...]
    weights: tuple[float, ...] | None = None
    temperatures: tuple[float, ...] | None = None
    specialists: tuple[directory.Run, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    folder: Path | None = None
    about: Mapping[str, Any] | None = None

    @property
    def asked(self) -> tuple[directory.Run, ...]:
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
        base = predictor.vote(answers[:n], weights, self.temperatures or (1.0,) * n)
        return predictor.resplit(base, self.pairs, answers[n:]) if self.pairs else base

    def predictor(self, seen: Sequence[views.View], space: str) -> nn.Module:
        """Faces [B,1,48,48] -> probabilities [B,7]: each run over these views, then the vote, then the specialists.

        One run by itself is its own model, and the face alone is no set of views: nothing is wrapped without need.
        """
        answering = [predictor_of(run) for run in self.asked]
        if tuple(seen) != (views.View(),):
            answering = [predictor.TestTimeAugmentation(one, seen, space) for one in answering]
        members, specialists = answering[: len(self.members)], answering[len(self.members) :]
        alone = len(members) == 1 and self.temperatures in (None, (1.0,))
        base = members[0] if alone else predictor.Ensemble(members, self.weights, self.temperatures)
        return predictor.Specialised(base, self.pairs, specialists) if self.pairs else base


def chosen(patterns: str | Sequence[str], key: str = "runs") -> Subject | None:
    """The ensemble chosen on val whose directory is all that `patterns` names; None where it is something else.

    Raises:
        FerlabError: the file or the weights of a run are not those that were frozen; classes in another order.
    """
    given = [patterns] if isinstance(patterns, str) else list(patterns)
    if len(given) != 1 or not (Path(given[0]) / directory.MEMBERS).is_file():
        return None
    folder = Path(given[0])
    about = read(folder)
    if isinstance(about, list):
        return None
    if about.get("sha256") != frozen_sha256(about):
        raise FerlabError(
            f"{folder / directory.MEMBERS} was changed after it was frozen: expected sha256 {about.get('sha256')}, "
            f"found {frozen_sha256(about)}; restore it, or choose anew with python -m ferlab.ensemble name=NEW"
        )
    if about["expressions"] != list(EXPRESSIONS):
        raise FerlabError(f"{key}={folder} answers in the order {', '.join(about['expressions'])}; choose it anew")
    total = sum(member["weight"] for member in about["members"])  # 1 but for the digits that were cut
    return Subject(
        tuple(_load(member, folder) for member in about["members"]),
        tuple(member["weight"] / total for member in about["members"]),
        tuple(member["temperature"] for member in about["members"]),
        tuple(_load(one, folder) for one in about["specialists"]),
        tuple((EXPRESSIONS.index(one["pair"][0]), EXPRESSIONS.index(one["pair"][1])) for one in about["specialists"]),
        folder,
        about,
    )


def _load(member: Mapping[str, Any], folder: Path) -> directory.Run:
    run = directory.load(member["path"])
    if run.weights_sha256 != member["weights_sha256"]:
        raise FerlabError(
            f"{run.weights} is not what {folder} was frozen with: expected sha256 {member['weights_sha256'][:16]}, "
            f"found {run.weights_sha256[:16]}; restore the run, or choose anew with python -m ferlab.ensemble name=NEW"
        )
    return run


def frozen_view_set(vote: Subject, said: Sequence[str] | None) -> ViewSet | None:
    """The views that an ensemble which was chosen on val was frozen with; None of anything else.

    Args:
        said: titles of the sets that were asked for; None where none was.

    Raises:
        FerlabError: others were asked for.
    """
    if vote.frozen_views is None:
        return None
    frozen = ViewSet(*vote.frozen_views)
    if said is not None and list(said) != [frozen.title]:
        raise FerlabError(
            f"{vote.folder} was chosen with tta={frozen.name} tta_space={frozen.space}, "
            f"not {', '.join(said)}; leave out tta and tta_space"
        )
    return frozen


def find_members(patterns: str | Sequence[str], key: str = "runs") -> list[Path]:
    """As `find`; a soft vote's directory stands for its members.

    Raises:
        FerlabError: also for an ensemble that was chosen, whose weights the list of its members would lose.
    """
    found: list[Path] = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        frozen = Path(pattern) / MEMBERS
        if frozen.is_file():
            members = json.loads(frozen.read_text())
            if isinstance(members, dict):
                raise FerlabError(
                    f"{pattern} is frozen with weights and views of its own; give it alone, as {key}={pattern}"
                )
            found += [Path(member["path"]) for member in members]
        else:
            found += find(pattern, key=key)
    return list(dict.fromkeys(found))
