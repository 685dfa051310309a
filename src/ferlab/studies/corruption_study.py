"""`python -m ferlab.robustness`: a run's accuracy on faces as bad cameras, bad light and obstacles show them.

With data= the faces of any store, so that a run is measured where it was not trained.
"""

import itertools
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.progress import track

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.metrics import statistics
from ferlab.pages.sections import png
from ferlab.studies import corruption_page, opening
from ferlab.studies.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from ferlab.studies.opening import Study

KIND = "robustness"


def measure(study: Study, config: Mapping[str, Any]) -> dict[str, Any]:
    """Accuracy clean and under each corruption and strength; writes the results and returns them.

    Returns:
        `clean`, `corruptions` (name -> one accuracy per strength, their `mean` and `drop`), and over all of them
        `mean_corruption_accuracy`, `mean_drop` and `relative`, the share of the clean accuracy that is left; None
        where no corruption is asked for.

    Raises:
        FerlabError: an unknown corruption or strength.
    """
    check(config)
    started, faces = time.perf_counter(), study.faces
    names, strengths = config["corruptions"], config["strengths"]
    predicted = study.probabilities(faces.pixels, config["batch_size"]).argmax(1)
    clean = statistics.accuracy_of(predicted == faces.labels)
    accuracy = {name: {} for name in names}
    pairs = list(itertools.product(names, strengths))
    for name, strength in track(pairs, f"{study.about['name']}: corruptions", disable=not pairs):
        accuracy[name][strength] = _accuracy(study, corrupt(faces.pixels, name, strength), config)
    by_name = {}
    for name, by_strength in accuracy.items():
        mean = float(np.mean([a["accuracy"] for a in by_strength.values()]))
        by_name[name] = {"by_strength": by_strength, "mean": mean, "drop": clean["accuracy"] - mean}
    overall = float(np.mean([c["mean"] for c in by_name.values()])) if by_name else None
    found = {
        "clean": clean,
        "recall": _recall(predicted, faces.labels),
        "corruptions": by_name,
        "mean_corruption_accuracy": overall,
        "mean_drop": clean["accuracy"] - overall if by_name else None,
        "relative": overall / clean["accuracy"] if by_name and clean["accuracy"] else None,
        "seconds": opening.seconds(started),
    }
    pictures, shown = {}, []
    if by_name:
        examples = _examples(study, config)
        shown = [corruption_page.faces_figure(examples)]
        pictures = {
            "robustness.png": png(corruption_page.curves, found),
            corruption_page.FACES: png(corruption_page.faces, examples),
        }
    study.write(found, corruption_page.sections(found, shown), pictures)
    return found


def check(config: Mapping[str, Any]) -> None:
    if unknown := [name for name in config["corruptions"] if name not in CORRUPTIONS]:
        raise FerlabError(f"corruptions has {unknown[0]!r}; choose from {', '.join(CORRUPTIONS)}")
    if not config["strengths"] or any(s not in STRENGTHS for s in config["strengths"]):
        raise FerlabError(f"strengths is {config['strengths']}; choose some of {', '.join(map(str, STRENGTHS))}")


def _accuracy(study: Study, pixels: np.ndarray, config: Mapping[str, Any]) -> dict[str, Any]:
    predicted = study.probabilities(pixels, config["batch_size"]).argmax(1)
    return statistics.accuracy_of(predicted == study.faces.labels)


def _recall(predicted: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """Of each expression; None for one that the data have not."""
    hits = {name: predicted[labels == k] == k for k, name in enumerate(EXPRESSIONS)}
    return {name: float(right.mean()) if len(right) else None for name, right in hits.items()}


def _examples(study: Study, config: Mapping[str, Any]) -> dict[str, Any]:
    """Faces [corruptions, examples, 1 + strengths, 48, 48] to be seen, of different expressions where there are."""
    labels = study.faces.labels
    firsts = sorted(np.unique(labels, return_index=True)[1], key=lambda i: -np.bincount(labels)[labels[i]])
    few = study.faces.pixels[firsts[: config["examples"]]]
    rows = [
        np.stack([few, *(corrupt(few, name, strength) for strength in config["strengths"])], 1)
        for name in config["corruptions"]
    ]
    return {"faces": np.stack(rows), "names": config["corruptions"], "strengths": config["strengths"]}
