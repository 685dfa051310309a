"""Errors of a run sorted by what else is known of their faces, as `python -m ferlab.analyse` does.

The confusion matrix and the most confident mistakes are in the report and not repeated here.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ferlab.data.sources.ferplus import VOTES
from ferlab.data.store import root_of
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.files import Json
from ferlab.metrics.statistics import accuracy_of
from ferlab.pages.page import GALLERIES, cards, galleries_file
from ferlab.pages.sections import Shown, png
from ferlab.studies import mistakes_page, second_opinion
from ferlab.studies.mistakes_record import Ambiguous, LabelIssue, MistakesRecord, Twins
from ferlab.studies.opening import Study
from ferlab.studies.study_record import MeasuredAccuracy

log = logging.getLogger(__name__)
KIND = "analysis"


def analyse(study: Study, config: Mapping[str, Any]) -> MistakesRecord:
    """Sort a study's errors by what else is known of their faces; write the results and return them.

    Raises:
        FerlabError: a gap outside 0..1, or votes that are of other faces.
    """
    if not 0 <= config["ambiguous_gap"] <= 1:
        raise FerlabError(f"ambiguous_gap is {config['ambiguous_gap']}; expected a ratio from 0 to 1")
    p = study.probabilities(study.faces.pixels, config["batch_size"])
    correct = p.argmax(1) == study.faces.labels
    second, first = np.sort(p, axis=1)[:, -2:].T
    gap = first - second
    ambiguous = gap <= config["ambiguous_gap"]
    galleries = {"ambiguous": _first(np.flatnonzero(ambiguous), gap, config["shown"])}
    twins, opinion = None, _Opinion()
    if config.get("data") is None:
        other = second_opinion.twins_of_other_label(study.members[0].faces(), study.provenance.split)
        twins = _twins(p, correct, other)
        galleries["twins"] = _first(np.flatnonzero(other >= 0), -p.max(1), config["shown"])
    if (votes := _votes(study, config)) is not None:
        opinion, issues = _second_opinion(study, p, votes)
        galleries["issues"] = issues[: config["shown"]]
    record = MistakesRecord(
        ambiguous_gap=config["ambiguous_gap"],
        ambiguous=_ambiguous(p, study.faces.labels, ambiguous),
        clear=MeasuredAccuracy(**accuracy_of(correct[~ambiguous])),
        contradictory_twins=twins,
        **vars(opinion),
        errors=int((~correct).sum()),
    )
    _write(study, record, {name: _gallery(study, index, p) for name, index in galleries.items()})
    return record


@dataclass(frozen=True)
class _Opinion:
    """What FER+'s votes add to a record; nothing without them."""

    ferplus: dict[str, MeasuredAccuracy] | None = None
    label_issues: list[LabelIssue] = field(default_factory=list)
    disputed_errors: int | None = None


def _ambiguous(p: np.ndarray, labels: np.ndarray, ambiguous: np.ndarray) -> Ambiguous:
    correct, second = p.argmax(1) == labels, p.argsort(1)[:, -2] == labels
    right_in_two = int((correct | second)[ambiguous].sum())
    return Ambiguous(**accuracy_of(correct[ambiguous]), right_in_two=right_in_two)


def _twins(p: np.ndarray, correct: np.ndarray, other: np.ndarray) -> Twins:
    """Accuracy where an identical face has another label `other` [N]; -1 elsewhere."""
    has = other >= 0
    return Twins(**accuracy_of(correct[has]), answers_of_twin=int((p.argmax(1) == other)[has].sum()))


def _second_opinion(study: Study, p: np.ndarray, votes: Path) -> tuple[_Opinion, np.ndarray]:
    """FER+'s opinion of each label, and the rows of the doubtful ones, the most confident first."""
    faces, labels, predicted = study.faces, study.faces.labels, p.argmax(1)
    group, majority = second_opinion.ferplus(faces, votes)
    correct = predicted == labels
    by_group = {name: correct[group == g] for g, name in enumerate(second_opinion.GROUPS)}
    both = np.flatnonzero((majority >= 0) & (majority != labels) & (majority == predicted))
    rows = both[np.argsort(-p[both].max(1), kind="stable")]
    issues = [
        LabelIssue(faces.origin(int(i)), EXPRESSIONS[labels[i]], EXPRESSIONS[majority[i]], float(p[i].max()))
        for i in rows
    ]
    accuracy = {name: MeasuredAccuracy(**accuracy_of(right)) for name, right in by_group.items()}
    return _Opinion(accuracy, issues, int((~by_group["disputes"]).sum())), rows


def _write(study: Study, record: MistakesRecord, galleries: dict[str, list[Json]]) -> None:
    pictures = {GALLERIES: galleries_file(galleries)}
    if record.ferplus:
        pictures["ferplus.png"] = png(mistakes_page.bars, record.ferplus)
    study.write(record, mistakes_page, Shown(galleries=galleries), pictures)


def _first(index: np.ndarray, order: np.ndarray, shown: int) -> np.ndarray:
    return index[np.argsort(order[index], kind="stable")][:shown]


def _votes(study: Study, config: Mapping[str, Any]) -> Path | None:
    """FER+'s file beside the faces' csv, where the faces are FER2013's own and it is there."""
    data = config.get("data") or study.members[0].config["data"]
    main = data.get("sources", [{}])[0]
    if main.get("layout") not in ("fer2013", "ferplus"):
        return None
    path = root_of(data, recorded=not config.get("data")) / main["path"] / VOTES
    if not path.is_file():
        log.info("no %s: FER+ as a second opinion is left out", path)
        return None
    return path


def _gallery(study: Study, index: np.ndarray, p: np.ndarray) -> list[Json]:
    labels, predicted = study.faces.labels, p.argmax(1)
    pairs = [(EXPRESSIONS[labels[i]], EXPRESSIONS[predicted[i]]) for i in index]
    notes = [f"{label}, right" if label == other else f"{label} taken for {other}" for label, other in pairs]
    return cards(study.faces, index.tolist(), p, notes)
