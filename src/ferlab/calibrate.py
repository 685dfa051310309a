"""`python -m ferlab.calibrate`: is a predictor as right as it is sure, and from which confidence on may it answer?

On val a temperature and a threshold are fitted and kept; on other faces the kept ones are judged.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from omegaconf import DictConfig
from rich.console import Console

from ferlab import calibration, report, runs, studies
from ferlab.cli import command, plain
from ferlab.errors import FerlabError
from ferlab.report_page import percent
from ferlab.studies import Study
from ferlab.study_page import figure, png, section, table

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
    study.write(found, _sections(study, found), {"reliability.png": png(_reliability, found)})
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


def _sections(study: Study, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = {"before": "as it is", "after": f"temperature {found['temperature']:.3f}", "cross_fitted": "cross-fitted"}
    rows = [
        [name, percent(m["ece"], 2), f"{m['nll']:.4f}", f"{m['brier']:.4f}", percent(m["accuracy"])]
        for name, m in ((names[key], found[key]) for key in names if found[key])
    ]
    where = (
        "The temperature was fitted on these faces; cross-fitted scales each fold by the temperature of the others, "
        "so it is not fitted to what it is judged on."
        if found["fitted_here"]
        else "The temperature and the threshold were fitted on val before and kept."
    )
    a = found["abstention"]
    if a["threshold"] is None:
        abstain = f"No confidence reaches {percent(a['wanted_accuracy'])} % right answers on val."
    else:
        abstain = (
            f"Answering only from a confidence of {a['threshold']:.3f} on, chosen on val for "
            f"{percent(a['wanted_accuracy'])} % right answers, it answers {percent(a['coverage'])} % of these "
            f"{len(study.faces)} faces and {percent(a['accuracy'])} % of its answers are right"
            + (f" (95 % interval {'–'.join(map(percent, a['interval95']))})." if a["interval95"] else ".")
        )
    coverage = [
        [
            percent(r["coverage"], 0),
            str(r["n"]),
            percent(r["accuracy"]),
            "–".join(map(percent, r["interval95"] or ())),
            "–" if r["threshold"] is None else f"{r['threshold']:.3f}",
        ]
        for r in found["coverage"]
    ]
    alt = "Reliability diagram: accuracy against confidence in 15 bins, before and after temperature scaling."
    head = ["probabilities", "calibration error %", "log-loss", "Brier", "accuracy %"]
    return [
        section(
            "Calibration",
            "A net is calibrated when of the answers given with confidence c a share c is right. " + where,
            [table(head, rows, "Expected calibration error in 15 equal bins (Guo et al. 2017, arXiv:1706.04599).")],
            [figure(_reliability, found, alt)],
        ),
        section(
            "Accuracy at coverage",
            abstain,
            [table(["surest %", "faces", "right %", "95 % interval", "from confidence"], coverage)],
        ),
    ]


def _reliability(drawing: Figure, found: Mapping[str, Any], colours: Mapping[str, Any]) -> None:
    drawing.set_size_inches(8.4, 3.6)
    for axes, key, title in zip(
        drawing.subplots(1, 2, sharey=True), ("before", "after"), ("as it is", ""), strict=True
    ):
        bins = [b for b in found[key]["reliability"] if b["n"]]
        width = 1 / report.BINS
        axes.plot([0, 1], [0, 1], color=colours["faint"], linestyle="--", label="as right as sure")
        places = [b["up_to"] - width / 2 for b in bins]
        axes.bar(places, [b["accuracy"] for b in bins], width=0.85 * width, color=colours["first"], alpha=0.75)
        axes.plot([b["confidence"] for b in bins], [b["accuracy"] for b in bins], "o", color=colours["second"], ms=4)
        title = title or f"temperature {found['temperature']:.2f}"
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", title=f"{title}: {percent(found[key]['ece'])} %")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper left")
    drawing.axes[0].set_ylabel("accuracy")


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
