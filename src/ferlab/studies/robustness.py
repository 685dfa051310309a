"""Accuracy of a run on corrupted faces, as `python -m ferlab.robustness` measures it.

With data= the faces of any store, so that a run is measured where it was not trained.
"""

import itertools
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.metrics import statistics
from ferlab.pages.sections import Shown, png
from ferlab.predictors.progress import track
from ferlab.studies import opening, robustness_page
from ferlab.studies.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from ferlab.studies.opening import Study
from ferlab.studies.robustness_page import Examples
from ferlab.studies.robustness_record import Corruption, RobustnessRecord
from ferlab.studies.study_record import MeasuredAccuracy

KIND = "robustness"


def measure(study: Study, config: Mapping[str, Any]) -> RobustnessRecord:
    """Measure accuracy clean and under each corruption and strength; write the results and return them.

    Raises:
        FerlabError: an unknown corruption or strength.
    """
    check(config)
    started = time.perf_counter()
    predicted = study.probabilities(study.faces.pixels, config["batch_size"]).argmax(1)
    clean = _accuracy(study, predicted)
    corrupted = _corrupted(study, clean, config)
    mean = float(np.mean([c.mean for c in corrupted.values()])) if corrupted else None
    record = RobustnessRecord(
        clean=clean,
        recall=_recall(predicted, study.faces.labels),
        corruptions=corrupted,
        mean_corruption_accuracy=mean,
        mean_drop=None if mean is None else _share(clean) - mean,
        relative=mean / _share(clean) if mean is not None and clean.accuracy else None,
        seconds=opening.seconds(started),
    )
    shown, pictures = _pictures(study, record, config) if corrupted else (Shown(), {})
    study.write(record, robustness_page, shown, pictures)
    return record


def check(config: Mapping[str, Any]) -> None:
    """Raise FerlabError for an unknown corruption or strength."""
    if unknown := [name for name in config["corruptions"] if name not in CORRUPTIONS]:
        raise FerlabError(f"corruptions has {unknown[0]!r}; choose from {', '.join(CORRUPTIONS)}")
    if not config["strengths"] or any(s not in STRENGTHS for s in config["strengths"]):
        raise FerlabError(f"strengths is {config['strengths']}; choose some of {', '.join(map(str, STRENGTHS))}")


def _corrupted(study: Study, clean: MeasuredAccuracy, config: Mapping[str, Any]) -> dict[str, Corruption]:
    accuracy: dict[str, dict[int, MeasuredAccuracy]] = {name: {} for name in config["corruptions"]}
    pairs = list(itertools.product(config["corruptions"], config["strengths"]))
    for name, strength in track(pairs, f"{study.provenance.name}: corruptions"):
        pixels = corrupt(study.faces.pixels, name, strength)
        predicted = study.probabilities(pixels, config["batch_size"]).argmax(1)
        accuracy[name][strength] = _accuracy(study, predicted)
    means = {name: float(np.mean([_share(a) for a in of.values()])) for name, of in accuracy.items()}
    return {name: Corruption(accuracy[name], mean, _share(clean) - mean) for name, mean in means.items()}


def _accuracy(study: Study, predicted: np.ndarray) -> MeasuredAccuracy:
    return MeasuredAccuracy(**statistics.accuracy_of(predicted == study.faces.labels))


def _share(measured: MeasuredAccuracy) -> float:
    return measured.correct / measured.n  # a study has at least one face


def _recall(predicted: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """Of each expression; None for an expression without a face."""
    hits = {name: predicted[labels == k] == k for k, name in enumerate(EXPRESSIONS)}
    return {name: float(right.mean()) if len(right) else None for name, right in hits.items()}


def _pictures(study: Study, record: RobustnessRecord, config: Mapping[str, Any]) -> tuple[Shown, dict[str, bytes]]:
    examples = _examples(study, config)
    pictures = {
        "robustness.png": png(robustness_page.curves, record),
        robustness_page.FACES: png(robustness_page.faces, examples),
    }
    return Shown({robustness_page.FACES: robustness_page.faces_figure(examples)}), pictures


def _examples(study: Study, config: Mapping[str, Any]) -> Examples:
    """Faces for the page, of different expressions if there are."""
    labels = study.faces.labels
    firsts = sorted(np.unique(labels, return_index=True)[1], key=lambda i: -np.bincount(labels)[labels[i]])
    few = study.faces.pixels[firsts[: config["examples"]]]
    rows = [
        np.stack([few, *(corrupt(few, name, strength) for strength in config["strengths"])], 1)
        for name in config["corruptions"]
    ]
    return Examples(np.stack(rows), config["corruptions"], config["strengths"])
