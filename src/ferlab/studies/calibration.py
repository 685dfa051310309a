"""Temperature, calibration error and abstention of a run, as `python -m ferlab.calibrate` measures them.

On val a temperature and a threshold are fitted and kept; on other faces the kept ones are judged. A label system of
FER2013's faces that the predictor was not trained for, as FER+'s, has a temperature and a threshold of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from ferlab import files
from ferlab.commandline import typed
from ferlab.data.labels import OF_FER2013
from ferlab.errors import FerlabError
from ferlab.metrics import abstention, scores, statistics
from ferlab.metrics.temperature import cross_fitted, fit_temperature, temper
from ferlab.pages.sections import Shown, png
from ferlab.runs.provenance import Provenance
from ferlab.studies import calibration_page
from ferlab.studies.calibration_record import Abstention, AtCoverage, CalibrationRecord, Fitted, Probabilities
from ferlab.studies.opening import Study

KIND = "calibration"


def calibrate(study: Study, config: Mapping[str, Any]) -> CalibrationRecord:
    """Fit or look up the temperature of a study's predictor, judge it, write the results and return them.

    Raises:
        FerlabError: as `fit_temperature`, `abstention.calibrate` and `stored`.
    """
    own = _own_system(study.provenance)
    fits = study.provenance.split == "val" and (config.get("data") is None or own is not None)
    raw, labels = study.probabilities(study.faces.pixels, config["batch_size"]), study.faces.labels
    of = study.provenance
    fitted = _fit(study, raw, config) if fits else stored(study.home, str(of.tta), of.weights_sha256, own)
    scaled = temper(raw, fitted.temperature)
    confidence, correct = scaled.max(1), scaled.argmax(1) == labels
    record = CalibrationRecord(
        temperature=fitted.temperature,
        fitted_here=fits,
        before=_measured(study, raw),
        after=_measured(study, scaled),
        cross_fitted=_measured(study, cross_fitted(raw, labels, config["folds"])) if fits else None,
        coverage=[
            AtCoverage(**row, interval95=statistics.interval95(row["correct"], row["n"]))
            for row in abstention.at_coverage(confidence, correct, config["coverages"])
        ],
        abstention=_abstention(confidence, correct, fitted),
    )
    pictures = {"reliability.png": png(calibration_page.diagrams, record)}
    study.write(record, calibration_page, Shown(), pictures)
    if fits:
        files.write_json(_place(study.home, fitted.tta, own), asdict(fitted))
    return record


def stored(home: Path, tta: str, weights_sha256: Sequence[str], system: str | None = None) -> Fitted:
    """What `python -m ferlab.calibrate` kept for a run's or ensemble's directory.

    Args:
        system: the label system, where it is another than that of the training.

    Raises:
        FerlabError: there is none for these views, or it is of other weights.
    """
    path = _place(home, tta, system)
    data = f" data={system}" if system else ""
    again = f"type python -m ferlab.calibrate {typed('runs', home)} tta={tta}{data} split=val first"
    try:
        fitted = TypeAdapter(Fitted).validate_json(path.read_bytes())
    except (OSError, ValueError):
        raise FerlabError(f"expected the temperature of val in {path} and found none; {again}") from None
    if sorted(fitted.weights_sha256) != sorted(weights_sha256):
        raise FerlabError(f"the temperature in {path} is of other weights than the run's; {again}")
    return fitted


def _place(home: Path, tta: str, system: str | None) -> Path:
    return home / KIND / (f"{system}-{tta}.json" if system else f"{tta}.json")


def _own_system(of: Provenance) -> str | None:
    """The label system of the faces where it is one that FER2013's faces are labelled by, and not the training's."""
    return of.label_system if of.label_system in OF_FER2013 and of.label_system != of.trained_label_system else None


def _fit(study: Study, raw: np.ndarray, config: Mapping[str, Any]) -> Fitted:
    labels = study.faces.labels
    temperature = fit_temperature(raw, labels)
    wanted = config["wanted_accuracy"]
    threshold = abstention.calibrate(temper(raw, temperature), labels, wanted)["threshold"]
    of = study.provenance
    return Fitted(
        temperature=temperature,
        threshold=threshold,
        wanted_accuracy=wanted,
        weights_sha256=list(of.weights_sha256),
        faces_sha256=of.faces_sha256,
        data=of.data,
        split=of.split,
        tta=str(of.tta),
        label_system=of.label_system,
        evaluated_commit=of.evaluated_commit,
        evaluated_at=of.evaluated_at,
        n=len(labels),
    )


def _measured(study: Study, probabilities: np.ndarray) -> Probabilities:
    return TypeAdapter(Probabilities).validate_python(scores.measure(probabilities, study.faces, study.twins))


def _abstention(confidence: np.ndarray, correct: np.ndarray, fitted: Fitted) -> Abstention:
    """What a predictor that labels faces from the threshold on does with these; nothing without a threshold."""
    labelled = np.zeros(len(correct), bool) if fitted.threshold is None else confidence >= fitted.threshold
    return Abstention(
        **statistics.accuracy_of(correct[labelled]),
        wanted_accuracy=fitted.wanted_accuracy,
        threshold=fitted.threshold,
        coverage=float(labelled.mean()),
    )
