"""A record of `ferlab.calibrate` -> its page, its row in a comparison and its lines of a model card."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ferlab.pages.sections import PageTable, Section, Shown, figure
from ferlab.pages.words import ends, percent
from ferlab.studies.calibration_record import Abstention, CalibrationRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES: dict[str, str] = {}


def sections(record: CalibrationRecord, shown: Shown) -> list[Section]:
    """Sections of the page."""
    where = (
        "The temperature was fitted on these faces. Cross-fitted scales each fold by the temperature of the others, "
        "so that no face is scaled by a temperature that was fitted to it."
        if record.fitted_here
        else "The temperature and the threshold were fitted on val before and kept."
    )
    alt = "Reliability diagram: accuracy against confidence in 15 bins, before and after temperature scaling."
    return [
        Section(
            "Calibration",
            f"A net is calibrated if a share c of the predictions with confidence c is right. {where}",
            [_errors(record)],
            [figure(reliability, record, alt)],
        ),
        Section("Accuracy at coverage", _abstention(record), [_coverage(record)]),
    ]


def compared(records: Sequence[CalibrationRecord]) -> tuple[list[str], list[list[str]]]:
    """Head and a row for each record."""
    head = ["temperature", "error before %", "error after %", "cross-fitted %", "threshold", "labelled %", "right %"]
    rows = []
    for record in records:
        a, crossed = record.abstention, record.cross_fitted
        errors = (record.before.ece, record.after.ece, crossed.ece if crossed else None)
        measured = [f"{record.temperature:.3f}", *(percent(e, 2) for e in errors)]
        rows.append([*measured, _threshold(a.threshold), percent(a.coverage), percent(a.accuracy)])
    return head, rows


def card(record: CalibrationRecord) -> list[str]:
    """Sentences for a model card."""
    crossed = f" (cross-fitted {percent(record.cross_fitted.ece, 2)})" if record.cross_fitted else ""
    line = (
        f"calibration error {percent(record.before.ece, 2)} without scaling, {percent(record.after.ece, 2)} with "
        f"temperature {record.temperature:.3f}{crossed}. "
    )
    a = record.abstention
    if a.threshold is None:
        return [line + _no_threshold(a)]
    return [
        f"{line}From confidence {a.threshold:.3f} on it labels {percent(a.coverage)} % of the faces; "
        f"{percent(a.accuracy)}" + (f" ({ends(a.interval95)})" if a.interval95 else "") + " of these labels are right."
    ]


def _errors(record: CalibrationRecord) -> PageTable:
    scaled = {"without scaling": record.before, f"temperature {record.temperature:.3f}": record.after}
    rows = [
        [name, percent(p.ece, 2), f"{p.nll:.4f}", f"{p.brier:.4f}", percent(p.accuracy)]
        for name, p in (scaled | {"cross-fitted": record.cross_fitted}).items()
        if p
    ]
    head = ["probabilities", "calibration error %", "log-loss", "Brier", "accuracy %"]
    return PageTable(head, rows, "Expected calibration error in 15 equal bins (Guo et al. 2017, arXiv:1706.04599).")


def _coverage(record: CalibrationRecord) -> PageTable:
    rows = [
        [percent(at.coverage, 0), str(at.n), percent(at.accuracy), ends(at.interval95), _threshold(at.threshold)]
        for at in record.coverage
    ]
    return PageTable(["most confident %", "faces", "right %", "95 % interval", "from confidence"], rows)


def _abstention(record: CalibrationRecord) -> str:
    a, faces = record.abstention, sum(b.n for b in record.before.reliability)
    if a.threshold is None:
        return _no_threshold(a)
    return (
        f"We chose the confidence {a.threshold:.3f} on val for {percent(a.wanted_accuracy)} % right labels. From it on "
        f"{percent(a.coverage)} % of these {faces} faces get a label, and {percent(a.accuracy)} % of the labels are "
        "right" + (f" (95 % interval {ends(a.interval95)})." if a.interval95 else ".")
    )


def _no_threshold(a: Abstention) -> str:
    return f"No confidence reaches {percent(a.wanted_accuracy)} % right labels on val."


def _threshold(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def reliability(drawing: "Figure", record: CalibrationRecord, colours: Mapping[str, Any]) -> None:
    """Draw the reliability diagrams before and after scaling, side by side."""
    drawing.set_size_inches(8.4, 3.6)
    titles = {"without scaling": record.before, f"temperature {record.temperature:.2f}": record.after}
    for axes, (title, p) in zip(drawing.subplots(1, 2, sharey=True), titles.items(), strict=True):
        bins = [b for b in p.reliability if b.n]
        width = 1 / len(p.reliability)
        axes.plot([0, 1], [0, 1], color=colours["faint"], linestyle="--", label="calibrated")
        places = [b.up_to - width / 2 for b in bins]
        axes.bar(places, [b.accuracy for b in bins], width=0.85 * width, color=colours["first"], alpha=0.75)
        axes.plot([b.confidence for b in bins], [b.accuracy for b in bins], "o", color=colours["second"], ms=4)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", title=f"{title}: {percent(p.ece)} %")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper left")
    drawing.axes[0].set_ylabel("accuracy")
