"""`python -m ferlab.analyse`: which of a run's errors are its own, and which are the data's.

What the report has (confusion matrix, surest mistakes) is not repeated here.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferlab.data.sources.ferplus import VOTES
from ferlab.data.store import root_of
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.metrics import statistics
from ferlab.pages.page import GALLERIES, cards, galleries_file
from ferlab.pages.sections import png
from ferlab.studies import mistakes_page, second_opinion
from ferlab.studies.opening import Study

log = logging.getLogger(__name__)
KIND = "analysis"


def analyse(study: Study, config: Mapping[str, Any]) -> dict[str, Any]:
    """Sort a study's errors by what else is known of their faces; write the results and return them.

    Returns:
        `ambiguous` and `clear` (accuracy), `contradictory_twins` (accuracy, and how often the answer is the twin's
        label), `ferplus` (accuracy by group, None without FER+'s votes) and `label_issues` (faces where the net and
        FER+ agree on another expression than the label, the surest first).

    Raises:
        FerlabError: a gap outside 0..1, or votes that are of other faces.
    """
    if not 0 <= config["ambiguous_gap"] <= 1:
        raise FerlabError(f"ambiguous_gap is {config['ambiguous_gap']}; expected a ratio from 0 to 1")
    faces = study.faces
    p = study.probabilities(faces.pixels, config["batch_size"])
    predicted, labels = p.argmax(1), faces.labels
    correct, two = predicted == labels, np.sort(p, axis=1)[:, -2:]
    ambiguous = two[:, 1] - two[:, 0] <= config["ambiguous_gap"]
    second = p.argsort(1)[:, -2]
    found: dict[str, Any] = {
        "ambiguous_gap": config["ambiguous_gap"],
        "ambiguous": statistics.accuracy_of(correct[ambiguous])
        | {"right_in_two": int((correct | (second == labels))[ambiguous].sum())},
        "clear": statistics.accuracy_of(correct[~ambiguous]),
        "contradictory_twins": None,
        "ferplus": None,
        "label_issues": [],
    }
    galleries = {"ambiguous": _first(np.flatnonzero(ambiguous), two[:, 1] - two[:, 0], config["shown"])}
    if config.get("data") is None:
        other = second_opinion.twins_of_other_label(study.members[0].faces(), study.about["split"])
        has = other >= 0
        answers = {"answers_of_twin": int((predicted == other)[has].sum())}
        found["contradictory_twins"] = statistics.accuracy_of(correct[has]) | answers
        galleries["twins"] = _first(np.flatnonzero(has), -p.max(1), config["shown"])
    if (votes := _votes(study, config)) is not None:
        group, said = second_opinion.ferplus(faces, votes)
        found["ferplus"] = {
            name: statistics.accuracy_of(correct[group == g]) for g, name in enumerate(second_opinion.GROUPS)
        }
        both = np.flatnonzero((said >= 0) & (said != labels) & (said == predicted))
        issues = both[np.argsort(-p[both].max(1), kind="stable")]
        found["label_issues"] = [
            {"face": faces.origin(int(i)), "label": EXPRESSIONS[labels[i]], "ferplus_and_net": EXPRESSIONS[said[i]]}
            | {"confidence": float(p[i].max())}
            for i in issues
        ]
        found["disputed_errors"] = int(((group == second_opinion.GROUPS.index("disputes")) & ~correct).sum())
        galleries["issues"] = issues[: config["shown"]]
    found["errors"] = int((~correct).sum())
    shown = {name: _gallery(study, index, p) for name, index in galleries.items()}
    pictures = {GALLERIES: galleries_file(shown)}
    if found["ferplus"]:
        pictures["ferplus.png"] = png(mistakes_page.bars, found["ferplus"])
    study.write(found, mistakes_page.sections(found, shown), pictures)
    return found


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


def _gallery(study: Study, index: np.ndarray, p: np.ndarray) -> list[dict[str, Any]]:
    labels, predicted = study.faces.labels, p.argmax(1)
    told = [(EXPRESSIONS[labels[i]], EXPRESSIONS[predicted[i]]) for i in index]
    notes = [f"{label}, right" if label == said else f"{label} taken for {said}" for label, said in told]
    return cards(study.faces, index, p, notes)
