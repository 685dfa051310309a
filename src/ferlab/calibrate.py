"""`python -m ferlab.calibrate`: is a predictor as right as it is sure, and from which confidence on may it answer?

On val a temperature and a threshold are fitted and kept; on other faces the kept ones are judged.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from omegaconf import DictConfig
from rich.console import Console

from ferlab import calibration, calibration_page, report, runs, studies
from ferlab.cli import command, plain
from ferlab.errors import FerlabError
from ferlab.page import percent
from ferlab.studies import Study
from ferlab.study_page import png

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
    kept = None if fits else calibration.stored(study.home, study.about["tta"], study.about["weights_sha256"])
    before, labels = study.probabilities(study.faces.pixels, config["batch_size"]), study.faces.labels
    temperature = calibration.fit_temperature(before, labels) if fits else kept["temperature"]
    after = calibration.scale(before, temperature)
    confidence, correct = after.max(1), after.argmax(1) == labels
    found: dict[str, Any] = {
        "temperature": temperature,
        "fitted_here": fits,
        "before": _measured(study, before),
        "after": _measured(study, after),
        "cross_fitted": None,
        "coverage": [
            row | {"interval95": report.interval95(row["correct"], row["n"])}
            for row in calibration.at_coverage(confidence, correct, config["coverages"])
        ],
    }
    if fits:
        found["cross_fitted"] = _measured(study, calibration.cross_fitted(before, labels, config["folds"]))
        wanted = config["wanted_accuracy"]
        kept = {"wanted_accuracy": wanted, "threshold": calibration.threshold_for(confidence, correct, wanted)}
    found["abstention"] = _abstention(confidence, correct, kept["threshold"], kept["wanted_accuracy"])
    pictures = {"reliability.png": png(calibration_page.reliability, found)}
    study.write(found, calibration_page.sections(found), pictures)
    if fits:
        keys = ("weights_sha256", "faces_sha256", "data", "split", "tta", "evaluated_commit", "evaluated_at")
        of = {key: study.about[key] for key in keys}
        told = {"temperature": temperature, **kept, **of, "n": len(labels)}
        runs.write_json(study.home / KIND / f"{study.about['tta']}.json", told)
    return found


def _measured(study: Study, probabilities: np.ndarray) -> dict[str, Any]:
    measured = report.measure(probabilities, study.faces, study.twins)
    return {key: measured[key] for key in _KEPT}


def _abstention(confidence: np.ndarray, correct: np.ndarray, threshold: float | None, wanted: float) -> dict[str, Any]:
    """What a predictor that answers from `threshold` on does with these faces; nothing of it where there is none."""
    answered = np.zeros(len(correct), bool) if threshold is None else confidence >= threshold
    return {
        "wanted_accuracy": wanted,
        "threshold": threshold,
        "coverage": float(answered.mean()),
        **report.accuracy_of(correct[answered]),
    }


@command("calibrate")
def main(cfg: DictConfig) -> None:
    config = plain(cfg)
    console = Console(soft_wrap=True, highlight=False)
    for study in studies.opened(config, KIND):
        found = calibrate(study, config)
        a, crossed = found["abstention"], found["cross_fitted"]
        console.print(
            f"[bold]{study.about['name']}[/] {study.title}: temperature {found['temperature']:.3f}, calibration error "
            f"{percent(found['before']['ece'], 2)} → [bold]{percent(found['after']['ece'], 2)} %[/]"
            + (f" (cross-fitted {percent(crossed['ece'], 2)} %)" if crossed else "")
            + f"; from confidence {a['threshold'] or 1:.3f} on {percent(a['coverage'])} % answered, "
            f"{percent(a['accuracy'])} % of them right"
        )
        console.print(f"  {study.folder / 'index.html'}", style="dim")


if __name__ == "__main__":
    main()
