"""`python -m ferlab.calibrate`: is a predictor as right as it is sure, and from which confidence on may it answer?

On val a temperature and a threshold are fitted and kept; on other faces the kept ones are judged.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.metrics import abstention, scores, statistics
from ferlab.metrics.temperature import cross_fitted, fit_temperature, temper
from ferlab.pages.sections import png
from ferlab.studies import calibration_page
from ferlab.studies.opening import Study

KIND = "calibration"
_KEPT = ("accuracy", "ece", "nll", "brier", "reliability")


def calibrate(study: Study, config: Mapping[str, Any]) -> dict[str, Any]:
    """Fit or look up the temperature of a study's predictor, judge it, write the results and return them.

    Raises:
        FerlabError: as `calibration.fit_temperature` and `calibration.stored`; a wanted accuracy outside 0..1.
    """
    if not 0 < config["wanted_accuracy"] <= 1:
        raise FerlabError(f"wanted_accuracy is {config['wanted_accuracy']}; expected a ratio above 0 and up to 1")
    fits = study.about["split"] == "val" and config.get("data") is None
    kept = None if fits else stored(study.home, study.about["tta"], study.about["weights_sha256"])
    before, labels = study.probabilities(study.faces.pixels, config["batch_size"]), study.faces.labels
    temperature = fit_temperature(before, labels) if fits else kept["temperature"]
    after = temper(before, temperature)
    confidence, correct = after.max(1), after.argmax(1) == labels
    found: dict[str, Any] = {
        "temperature": temperature,
        "fitted_here": fits,
        "before": _measured(study, before),
        "after": _measured(study, after),
        "cross_fitted": None,
        "coverage": [
            row | {"interval95": statistics.interval95(row["correct"], row["n"])}
            for row in abstention.at_coverage(confidence, correct, config["coverages"])
        ],
    }
    if fits:
        found["cross_fitted"] = _measured(study, cross_fitted(before, labels, config["folds"]))
        wanted = config["wanted_accuracy"]
        kept = {"wanted_accuracy": wanted, "threshold": abstention.calibrate(after, labels, wanted)["threshold"]}
    found["abstention"] = _abstention(confidence, correct, kept["threshold"], kept["wanted_accuracy"])
    pictures = {"reliability.png": png(calibration_page.reliability, found)}
    study.write(found, calibration_page.sections(found), pictures)
    if fits:
        keys = ("weights_sha256", "faces_sha256", "data", "split", "tta", "evaluated_commit", "evaluated_at")
        of = {key: study.about[key] for key in keys}
        told = {"temperature": temperature, **kept, **of, "n": len(labels)}
        files.write_json(study.home / KIND / f"{study.about['tta']}.json", told)
    return found


def _measured(study: Study, probabilities: np.ndarray) -> dict[str, Any]:
    measured = scores.measure(probabilities, study.faces, study.twins)
    return {key: measured[key] for key in _KEPT}


def _abstention(confidence: np.ndarray, correct: np.ndarray, threshold: float | None, wanted: float) -> dict[str, Any]:
    """What a predictor that answers from `threshold` on does with these faces; nothing of it where there is none."""
    answered = np.zeros(len(correct), bool) if threshold is None else confidence >= threshold
    return {
        "wanted_accuracy": wanted,
        "threshold": threshold,
        "coverage": float(answered.mean()),
        **statistics.accuracy_of(correct[answered]),
    }


def stored(home: Path, tta: str, weights_sha256: Sequence[str]) -> dict[str, Any]:
    """What `python -m ferlab.calibrate` kept for a run's or ensemble's directory: `temperature`, `threshold` and more.

    Raises:
        FerlabError: there is none for these views, or it is of other weights.
    """
    path = home / "calibration" / f"{tta}.json"
    again = f"type python -m ferlab.calibrate runs={home.as_posix()} tta={tta} split=val first"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        of = sorted(found["weights_sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        raise FerlabError(f"expected the temperature of val in {path} and found none; {again}") from None
    if of != sorted(weights_sha256):
        raise FerlabError(f"the temperature in {path} is of other weights than the run's; {again}")
    return found
