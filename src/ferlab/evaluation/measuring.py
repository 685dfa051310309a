"""Finished runs and a split in, one report per set of views out; a look at a test split stands in the ledger first."""

import contextlib
import glob
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ferlab.ensembling import selection_gap, subject
from ferlab.ensembling.frozen import freeze
from ferlab.ensembling.subject import frozen_view_set
from ferlab.errors import FerlabError
from ferlab.evaluation import ledger, report
from ferlab.metrics import scores
from ferlab.predictors import predictor, views
from ferlab.predictors.of_run import predictor_of
from ferlab.predictors.predictor import device_of
from ferlab.predictors.views import ViewSet, view_set
from ferlab.runs import directory
from ferlab.runs.directory import finished, refuse_unfinished
from ferlab.runs.provenance import provenance_of
from ferlab.runs.split import Split, Splits

log = logging.getLogger(__name__)


class Evaluation:
    """What is measured and how, over any number of runs: a data set that several of them share is opened once.

    Several sets of views share the probabilities of the views they have in common, and are one look in the ledger.

    Args:
        tta: names of one or several sets of views; None for those of an ensemble chosen on val, else the face alone.
        split: `val` or `test`.
        space: `probability` or `logit`, in which views are averaged; None for a chosen ensemble's, else probability.
        batch_size: views that a net sees at once.
        device: `auto`, `cpu` or `cuda`.
        outputs: holds the directories of ensembles; a single run's reports lie beside its weights.
        ledger_path: where looks at a test split are counted.
        skip_measured: leave out a set of views whose report of the same weights on the same faces is there.

    Raises:
        FerlabError: unknown split, views or device.
    """

    def __init__(
        self,
        tta: str | Sequence[str] | None,
        split: str,
        batch_size: int = 1024,
        device: str = "auto",
        outputs: str | Path = "outputs",
        ledger_path: str | Path = "outputs/ledger.jsonl",
        skip_measured: bool = False,
        space: str | None = None,
    ):
        self._splits = Splits(split)
        names = list(dict.fromkeys([tta] if isinstance(tta, str) else ["none"] if tta is None else tta))
        if not names:
            raise FerlabError("tta is empty; choose from " + ", ".join(views.VIEWS))
        self.sets = [view_set(name, space or views.SPACES[0]) for name in names]
        self.said = [seen.title for seen in self.sets] if tta is not None or space is not None else None
        self.split, self.batch_size, self.device = split, batch_size, device_of(device)
        self.outputs, self.ledger_path, self.skip_measured = Path(outputs), Path(ledger_path), skip_measured

    def measure(self, measured: Sequence[directory.Run] | subject.Subject, name: str | None = None) -> list[Path]:
        """Measure one run, several as an ensemble, which may be given a name, or an ensemble that was chosen on val.

        Returns:
            For each set of views the folder of its report.

        Raises:
            FerlabError: unfinished runs, but one by itself on val; members that are measured on different faces; a name
                that stands for other members.
        """
        vote = measured if isinstance(measured, subject.Subject) else subject.Subject(tuple(measured))
        members = vote.asked
        if len(members) > 1 or self.split == "test":
            refuse_unfinished(members)
        frozen = frozen_view_set(vote, self.said)
        sets = [frozen] if frozen else self.sets
        shared = self._splits.shared(members)
        if vote.folder:
            folder, name = vote.folder, vote.folder.name
        elif len(members) == 1:
            folder, name = members[0].path, members[0].name
        else:
            folder = freeze(members, self.outputs, name)
            name = folder.name
        reports = {folder / "reports" / f"{self.split}-{seen.title}": seen for seen in sets}
        left = dict(reports)
        if self.skip_measured:
            there = [path for path, seen in left.items() if _is_report_of(path, vote, shared.sha256, seen)]
            left = {path: seen for path, seen in left.items() if path not in there}
            if there:
                already = ", ".join(reports[path].title for path in there)
                log.info("%s, %s: measured already: %s", name, self.split, already)
        if left:
            self._write(left, vote, name, shared)
        return list(reports)

    def _write(self, wanted: Mapping[Path, ViewSet], vote: subject.Subject, name: str, shared: Split) -> None:
        union = list(dict.fromkeys(view for seen in wanted.values() for view in seen.views))
        faces, ask = shared.faces, (self.batch_size, self.device)
        # One net at a time, each view once: [V,N,7] of each run.
        by_run = [predictor.predict_views(predictor_of(run), faces.pixels, union, *ask) for run in vote.asked]

        provenance = provenance_of(vote.asked, name, self.split) | vote.choice
        provenance |= {"faces_sha256": shared.sha256, "evaluated_on": str(self.device)}
        if self.split == "test":
            hashes, titles = provenance["weights_sha256"], [seen.title for seen in wanted.values()]
            data, commit = provenance["data"], provenance["evaluated_commit"]
            looked = (self.ledger_path, provenance["members"], hashes, data, self.split, commit, titles, vote.sha256)
            entry = ledger.look(*looked)
            provenance |= {key: entry[key] for key in ("looks_before", "looks_before_at_data")}
        rows = vote.members[0].metrics_rows() if name == vote.members[0].name else ()
        for folder, seen in wanted.items():
            places = [union.index(view) for view in seen.views]
            answers = [predictor.mean_over(torch.from_numpy(given[places]), seen.space) for given in by_run]
            probabilities = vote.combine(answers).numpy()  # [N,7]
            measured = scores.measure(probabilities, faces, shared.twins)
            told = provenance | {"tta": seen.title, "tta_space": seen.space, "views": [list(v) for v in seen.views]}
            if vote.about and self.split == "test":
                told["hindsight"] = selection_gap.gap(vote, answers, faces.labels, measured["accuracy"])
            report.write_report(folder, measured, told, probabilities, faces, rows)


def _is_report_of(folder: Path, vote: subject.Subject, checksum: str, seen: ViewSet) -> bool:
    """Whether a folder holds the report of these weights, voting like this, on these faces in these views."""
    try:
        told = json.loads((folder / "report.json").read_text())
    except (OSError, ValueError):
        return False
    weights = sorted(run.weights_sha256 for run in vote.asked)
    found = sorted(told.get("weights_sha256", ())), told.get("faces_sha256"), told.get("views")
    # Reports from before spaces could be chosen do not name theirs.
    how = told.get("tta_space", views.SPACES[0]), told.get("ensemble_sha256")
    wanted = weights, checksum, json.loads(json.dumps(seen.views))
    return (*found, *how) == (*wanted, seen.space, vote.sha256)


def evaluate(
    patterns: str | Sequence[str],
    tta: str | Sequence[str] | None = None,
    split: str = "val",
    name: str | None = None,
    **options: Any,
) -> list[Path]:
    """Measure the runs that `patterns` name, several as one ensemble, which may be given a name.

    An ensemble that was chosen on val votes as it was frozen.

    Args:
        tta, split, options: as `Evaluation` takes them.

    Returns:
        For each set of views the folder of its report.

    Raises:
        FerlabError: as `Evaluation` and its `measure`; no such run; a glob that matches two trainings of one name.
    """
    evaluation = Evaluation(tta, split, **options)
    if vote := subject.chosen(_given(patterns)):
        if name not in (None, vote.folder.name):
            raise FerlabError(f"name={name} is for runs, and {vote.folder} has a name; leave out name")
        return evaluation.measure(vote)
    by_path: dict[Path, directory.Run] = {}
    for pattern in _given(patterns):
        found = _latest([directory.load(path) for path in subject.find_members(pattern)])
        if glob.has_magic(pattern):
            _refuse_twins(found)
        by_path |= {run.path: run for run in found}
    members = list(by_path.values())
    if len(members) == 1 and name is not None:
        raise FerlabError(f"name={name} is for an ensemble, and runs names only {members[0].name}; leave out name")
    return evaluation.measure(members, name)


def evaluate_each(
    patterns: str | Sequence[str], tta: str | Sequence[str] | None = None, split: str = "val", **options: Any
) -> Iterator[Path]:
    """Measure every run that `patterns` name by itself; gives the folders of a run's reports once they are there.

    Raises:
        FerlabError: at the end, with what was not measured: a run that is missing, unfinished or fails does not stop
            the others. On test neither of two trainings of one name is measured, but where it is named without a glob.
    """
    evaluation = Evaluation(tta, split, **options)
    failed: list[str] = []
    found: list[Path] = []
    for pattern in _given(patterns):
        with _noting(failed, pattern):
            found += subject.find_members(pattern)
    loaded = []
    for path in dict.fromkeys(found):
        with _noting(failed, path):
            loaded.append(directory.load(path))
    left = _latest(loaded)
    for run in left:
        folders: list[Path] = []
        with _noting(failed, run.path):
            refuse_unfinished([run])
            if split == "test" and run.path.as_posix() not in _given(patterns):
                _refuse_twins([other for other in left if _typed(other) == _typed(run)])  # a look cannot be taken back
            folders = evaluation.measure([run])
        yield from folders
    if failed:
        raise FerlabError(
            f"not measured, for the reasons above: {', '.join(failed)}; mend them and type the same command again "
            "with skip_measured=true"
        )


def _given(patterns: str | Sequence[str] | None) -> list[str]:
    if not patterns:
        raise FerlabError("runs is not given; type runs=outputs/NAME, a glob in quotes or runs=[A,B]")
    return [patterns] if isinstance(patterns, str) else list(patterns)


def _typed(run: directory.Run) -> tuple[Path, str]:
    """What NAME, NAME-2, ... have in common: the name that was typed or made by conf."""
    return run.path.parent, run.config.get("name", run.name)


def _latest(found: Sequence[directory.Run]) -> list[directory.Run]:
    """All runs but unfinished ones whose training was done again: NAME where NAME-2 is finished."""
    done = {_typed(run): run.name for run in found if finished(run)}
    kept = []
    for run in found:
        if finished(run) or _typed(run) not in done:
            kept.append(run)
        else:
            log.info("left out %s: unfinished, and %s was trained in its place", run.name, done[_typed(run)])
    return kept


def _refuse_twins(found: Sequence[directory.Run]) -> None:
    """A glob would silently take a run that was trained again, by another recipe perhaps, for another seed."""
    seen: dict[tuple[Path, str], str] = {}
    for run in found:
        if (other := seen.setdefault(_typed(run), run.name)) != run.name:
            raise FerlabError(
                f"{other} and {run.name} are two trainings of one name; name those that are meant, as runs=[A,B]"
            )


@contextlib.contextmanager
def _noting(failed: list[str], what: str | Path) -> Iterator[None]:
    """Whatever fails inside is said and listed, and goes no further."""
    try:
        yield
    except FerlabError as error:
        log.error("%s: %s", what, error)
        failed.append(str(what))
    except Exception:
        log.exception("%s failed", what)
        failed.append(str(what))
