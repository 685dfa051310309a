"""What `ferlab.calibrate` found -> the sections of its page; the same for a page that gathers several studies."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from ferlab.metrics import scores
from ferlab.pages.sections import figure, section, table
from ferlab.pages.words import ends, percent


def sections(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Sections of what `calibrate` found, as returned or as read from calibration.json."""
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
    a, faces = found["abstention"], sum(b["n"] for b in found["before"]["reliability"])
    if a["threshold"] is None:
        abstain = f"No confidence reaches {percent(a['wanted_accuracy'])} % right answers on val."
    else:
        abstain = (
            f"Answering only from a confidence of {a['threshold']:.3f} on, chosen on val for "
            f"{percent(a['wanted_accuracy'])} % right answers, it answers {percent(a['coverage'])} % of these "
            f"{faces} faces and {percent(a['accuracy'])} % of its answers are right"
            + (f" (95 % interval {ends(a['interval95'])})." if a["interval95"] else ".")
        )
    coverage = [
        [
            percent(r["coverage"], 0),
            str(r["n"]),
            percent(r["accuracy"]),
            ends(r["interval95"]),
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
            [figure(reliability, found, alt)],
        ),
        section(
            "Accuracy at coverage",
            abstain,
            [table(["surest %", "faces", "right %", "95 % interval", "from confidence"], coverage)],
        ),
    ]


def reliability(drawing: Figure, found: Mapping[str, Any], colours: Mapping[str, Any]) -> None:
    """Draw the reliability diagrams before and after scaling, side by side."""
    drawing.set_size_inches(8.4, 3.6)
    for axes, key, title in zip(
        drawing.subplots(1, 2, sharey=True), ("before", "after"), ("as it is", ""), strict=True
    ):
        bins = [b for b in found[key]["reliability"] if b["n"]]
        width = 1 / scores.BINS
        axes.plot([0, 1], [0, 1], color=colours["faint"], linestyle="--", label="as right as sure")
        places = [b["up_to"] - width / 2 for b in bins]
        axes.bar(places, [b["accuracy"] for b in bins], width=0.85 * width, color=colours["first"], alpha=0.75)
        axes.plot([b["confidence"] for b in bins], [b["accuracy"] for b in bins], "o", color=colours["second"], ms=4)
        title = title or f"temperature {found['temperature']:.2f}"
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", title=f"{title}: {percent(found[key]['ece'])} %")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper left")
    drawing.axes[0].set_ylabel("accuracy")
