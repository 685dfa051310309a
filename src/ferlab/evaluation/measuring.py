"""Runs and a split in, one report for each view set out."""

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ferlab.ensembling import named, selection_gap
from ferlab.ensembling.subject import Subject
from ferlab.errors import FerlabError
from ferlab.evaluation import report
from ferlab.evaluation.door import Door, OpenedRuns
from ferlab.inference import priors
from ferlab.metrics import scores
from ferlab.predictors import views
from ferlab.predictors.of_run import priors_of
from ferlab.predictors.views import ViewSet
from ferlab.runs.directory import refuse_unfinished

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """How subjects are measured.

    Attributes:
        batch_size: views that a net gets at once.
        outputs: holds the directories of ensembles; a single run's reports lie beside its weights.
        skip_measured: leave out a view set whose report of the same weights on the same faces is there.
        priors: shares of the classes that probabilities are weighed for, as `inference.priors.shares_of` takes them;
            their reports have folders of their own.
    """

    batch_size: int = 1024
    outputs: Path = Path("outputs")
    skip_measured: bool = False
    priors: str | Sequence[float] | None = None


def evaluate(
    runs: str | Sequence[str] | None, door: Door, options: Options | None = None, name: str | None = None
) -> list[Path]:
    """Measure what `runs` names as one subject; several runs are an ensemble, which may be given a name.

    Returns:
        For each view set the folder of its report.

    Raises:
        FerlabError: as `named.as_one` and `Door.open`; a name for a single run, or one that stands for others.
    """
    return measure(named.as_one(runs), door, options or Options(), name)


def evaluate_each(runs: str | Sequence[str] | None, door: Door, options: Options | None = None) -> Iterator[Path]:
    """Measure every run and ensemble that `runs` names by itself; gives the folders of its reports one by one.

    Raises:
        FerlabError: at the end, with what was not measured: what is missing, unfinished or fails does not stop the
            others. On test neither of two trainings of one name is measured, but where it is named without a glob.
    """
    failed: list[str] = []
    places: list[Path] = []
    typed = named.patterns_of(runs)
    for pattern in typed:
        with _noting(failed, pattern):
            places += named.places_of(pattern)
    found: list[Subject] = []
    for place in dict.fromkeys(places):
        with _noting(failed, place):
            found.append(named.at(place))
    found = named.without_replaced_subjects(found)
    everything = [one.runs[0] for one in found if one.is_run]
    for one in found:
        folders: list[Path] = []
        with _noting(failed, one.home):
            refuse_unfinished(one.runs)
            if door.split == "test" and one.is_run and str(one.home) not in typed:
                named.refuse_twins(everything, of=one.runs[0])  # a look cannot be taken back
            folders = measure(one, door, options or Options())
        yield from folders
    if failed:
        raise FerlabError(
            f"not measured, for the reasons above: {', '.join(failed)}; mend them and type the same command again "
            "with skip_measured=true"
        )


def measure(one: Subject, door: Door, options: Options, name: str | None = None) -> list[Path]:
    """Measure one subject, which gets a directory where it has none; gives the folder of each view set's report.

    Raises:
        FerlabError: as `Door.open`; a name that stands for other members.
    """
    opened = door.open(one)
    one, weighed = one.settled(options.outputs, name), options.priors
    shares = None if weighed is None else priors.shares_of(weighed)
    stated = replace(opened.provenance, name=one.name, priors=None if shares is None else shares.tolist())
    opened = replace(opened, subject=one, provenance=stated)
    apart = "" if weighed is None else f"-{priors.title(weighed)}"
    folders = {door.folder_of(one.folder, view_set.title + apart): view_set for view_set in opened.view_sets}
    left = dict(folders)
    if options.skip_measured:
        left = {folder: wanted for folder, wanted in folders.items() if not _is_report_of(folder, opened, wanted)}
        if there := [view_set.title for folder, view_set in folders.items() if folder not in left]:
            log.info("%s, %s: measured already: %s", one.name, door.split, ", ".join(there))
    if left:
        _write(left, opened, options.batch_size, apart, own=not door.elsewhere and weighed is None)
    return list(folders)


def _write(wanted: Mapping[Path, ViewSet], opened: OpenedRuns, batch_size: int, apart: str, own: bool) -> None:
    """The reports of several view sets, which share the views that they have in common and are one look.

    Args:
        apart: what follows the views' title, which keeps answers for other priors apart from the own.
        own: they are of the subject's own data and priors.
    """
    one, faces = opened.subject, opened.faces
    opened.refuse_unwritable(list(wanted))  # before minutes of work
    shares = opened.provenance.priors
    factors = None if shares is None else priors.factors(np.array(shares), priors_of(one.members, one.weights))
    by_set = one.by_run(faces.pixels, list(wanted.values()), batch_size, opened.device)
    opened = opened.look([view_set.title for view_set in wanted.values()], list(wanted))
    rows = one.members[0].metrics_rows() if one.is_run else ()
    for folder, view_set in wanted.items():
        by_run = by_set[view_set.title]
        probabilities = one.combine(by_run).numpy()  # [N,7]
        probabilities = probabilities if factors is None else priors.corrected(probabilities, factors)
        measured = scores.measure(probabilities, faces, opened.twins)
        kept = [list(view) for view in view_set.views]
        title = view_set.title + apart
        stated = replace(opened.provenance, tta=title, tta_space=view_set.space, views=kept).as_json()
        if one.choice and own and stated["split"] == "test":
            stated["hindsight"] = selection_gap.gap(one, by_run, faces.labels, measured["correct"] / measured["n"])
        report.write_report(folder, measured, stated, probabilities, faces, rows)


def _is_report_of(folder: Path, opened: OpenedRuns, view_set: ViewSet) -> bool:
    """Whether a folder holds the report of these weights, combined like this, on these faces in these views."""
    found = report.read(folder)
    weights = sorted(found.get("weights_sha256", ())), sorted(opened.provenance.weights_sha256)
    faces = found.get("faces_sha256"), opened.provenance.faces_sha256
    kept = found.get("views"), json.loads(json.dumps(view_set.views))
    # Reports from before spaces could be chosen do not name theirs.
    space = found.get("tta_space", views.SPACES[0]), view_set.space
    ensemble = found.get("ensemble_sha256"), opened.subject.sha256
    shares = found.get("priors"), opened.provenance.priors
    return all(there == wanted for there, wanted in (weights, faces, kept, space, ensemble, shares))


@contextlib.contextmanager
def _noting(failed: list[str], what: str | Path | None) -> Iterator[None]:
    """Whatever fails inside is logged and listed, and goes no further."""
    try:
        yield
    except FerlabError as error:
        log.error("%s: %s", what, error)
        failed.append(str(what))
    except Exception:
        log.exception("%s failed", what)
        failed.append(str(what))
