"""What `runs=` names, as subjects; this file alone decides that."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferlab.commandline import matching
from ferlab.ensembling import frozen
from ferlab.ensembling.subject import Subject, of_run
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, check_order
from ferlab.runs import directory, shapes
from ferlab.runs.directory import Run, finished

log = logging.getLogger(__name__)


def as_one(patterns: str | Sequence[str] | None, key: str = "runs") -> Subject:
    """All that `patterns` name as one subject; `key` is what was typed before them.

    Raises:
        FerlabError: nothing is given or found; a glob that matches two trainings of one name; an ensemble that was
            chosen on val beside others, whose weights the list of its members would lose.
    """
    typed = patterns_of(patterns, key)
    if len(typed) == 1 and _is_ensemble(Path(typed[0])):
        return _of_folder(Path(typed[0]), key)
    members: dict[Path, Run] = {}
    for pattern in typed:
        found = without_replaced(_members_of(pattern, key))
        if matching(pattern) != [Path(pattern)]:
            refuse_twins(found)
        members |= {run.path: run for run in found}
    runs = tuple(members.values())
    return of_run(runs[0]) if len(runs) == 1 else Subject(runs)


def each(patterns: str | Sequence[str] | None, key: str = "runs") -> list[Subject]:
    """Every run and every ensemble that `patterns` name by itself, each once, in the order of the patterns.

    Raises:
        FerlabError: nothing is given or found; an ensemble or a run that is damaged.
    """
    places = dict.fromkeys(place for pattern in patterns_of(patterns, key) for place in places_of(pattern, key))
    return without_replaced_subjects([at(place, key) for place in places])


def places_of(pattern: str, key: str = "runs") -> list[Path]:
    """The directories of ensembles that a pattern matches; where it matches none, those of runs.

    Raises:
        FerlabError: it matches neither.
    """
    ensembles = [path for path in matching(pattern) if _is_ensemble(path)]
    return ensembles or directory.find(pattern, key=key)


def at(place: Path, key: str = "runs") -> Subject:
    """The run or the ensemble in a directory; raises FerlabError where it is damaged."""
    return _of_folder(place, key) if _is_ensemble(place) else of_run(directory.load(place))


def without_replaced_subjects(found: Sequence[Subject]) -> list[Subject]:
    """As `without_replaced`, among subjects; ensembles stay."""
    kept = without_replaced([one.runs[0] for one in found if one.is_run])
    return [one for one in found if not one.is_run or one.runs[0] in kept]


def without_replaced(found: Sequence[Run]) -> list[Run]:
    """All runs but unfinished ones whose training was done again: NAME where NAME-2 is finished."""
    done = {_typed(run): run.name for run in found if finished(run)}
    kept = []
    for run in found:
        if finished(run) or _typed(run) not in done:
            kept.append(run)
        else:
            log.info("left out %s: unfinished, and %s was trained in its place", run.name, done[_typed(run)])
    return kept


def refuse_twins(found: Sequence[Run], of: Run | None = None) -> None:
    """A glob would silently take a run that was trained again, by another recipe perhaps, for another seed.

    Args:
        of: only trainings of this run's name are looked for.

    Raises:
        FerlabError: two trainings of one name.
    """
    first: dict[tuple[Path, str], str] = {}
    for run in (run for run in found if of is None or _typed(run) == _typed(of)):
        if (other := first.setdefault(_typed(run), run.name)) != run.name:
            raise FerlabError(
                f"{other} and {run.name} are two trainings of one name; name those that are meant, as runs=[A,B]"
            )


def patterns_of(patterns: str | Sequence[str] | None, key: str = "runs") -> list[str]:
    """What was typed as a list; raises FerlabError where nothing was."""
    if not patterns:
        raise FerlabError(f"{key} is not given; type {key}=outputs/NAME, a glob in quotes or {key}=[A,B]")
    return [patterns] if isinstance(patterns, str) else list(patterns)


def _typed(run: Run) -> tuple[Path, str]:
    """What NAME, NAME-2, ... have in common: the name that was typed or made by conf."""
    return run.path.parent, run.config.get("name", run.name)


def _is_ensemble(folder: Path) -> bool:
    return (folder / directory.MEMBERS).is_file()


def _members_of(pattern: str, key: str) -> list[Run]:
    """The runs of one pattern; an ensemble of equal weights stands for its members."""
    if not _is_ensemble(Path(pattern)):
        return [directory.load(path) for path in directory.find(pattern, key=key)]
    subject = _of_folder(Path(pattern), key)
    if subject.choice:
        raise FerlabError(f"{pattern} is frozen with weights and views of its own; give it alone, as {key}={pattern}")
    return list(subject.members)


def _of_folder(folder: Path, key: str) -> Subject:
    """The ensemble in a directory, if its file and the weights of its runs are those that were frozen."""
    kept = frozen.read(folder)
    if isinstance(kept, list):
        return Subject(tuple(_load(member, folder) for member in kept), home=folder)
    if kept.get("sha256") != frozen.frozen_sha256(kept):
        raise FerlabError(
            f"{folder / directory.MEMBERS} was changed after it was frozen: expected sha256 {kept.get('sha256')}, "
            f"found {frozen.frozen_sha256(kept)}; restore it, or choose anew with python -m ferlab.ensemble name=NEW"
        )
    check_order(kept.get("expressions"), f"{key}={folder}")
    shapes.read(frozen.Chosen, kept, folder / directory.MEMBERS, "choose anew with python -m ferlab.ensemble name=NEW")
    members, specialists = kept["members"], kept["specialists"]
    total = sum(member["weight"] for member in members)  # 1 but for the digits that were cut
    return Subject(
        tuple(_load(member, folder) for member in members),
        tuple(member["weight"] / total for member in members),
        tuple(member["temperature"] for member in members),
        tuple(_load(one, folder) for one in specialists),
        tuple((EXPRESSIONS.index(one["pair"][0]), EXPRESSIONS.index(one["pair"][1])) for one in specialists),
        folder,
        kept,
    )


def _load(member: Mapping[str, Any], folder: Path) -> Run:
    run = directory.load(member["path"])
    frozen_with = member.get("weights_sha256", run.weights_sha256)  # lists of old ensembles may lack it
    if run.weights_sha256 != frozen_with:
        raise FerlabError(
            f"{run.weights} is not what {folder} was frozen with: expected sha256 {frozen_with[:16]}, "
            f"found {run.weights_sha256[:16]}; restore the run, or choose anew with python -m ferlab.ensemble name=NEW"
        )
    return run
