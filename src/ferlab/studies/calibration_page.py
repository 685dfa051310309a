"""A record of `ferlab.calibrate` -> its page, its row in a comparison and its lines of a model card."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ferlab.pages import reliability
from ferlab.pages.sections import PageTable, Section, Shown, figure
from ferlab.pages.words import ends, percent
from ferlab.studies.calibration_record import Abstention, CalibrationRecord, Probabilities

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES: dict[str, str] = {}
_RELIABILITY = "Reliability diagram: accuracy against confidence in 15 bins,"


def findings(record: CalibrationRecord) -> list[str]:
    """Sentences on top of the page."""
    bins = [b for b in record.before.reliability if b.n]
    over = sum(b.n * (b.confidence or 0) for b in bins) / sum(b.n for b in bins) - record.before.accuracy
    before, after, a = percent(record.before.ece), percent(record.after.ece), record.abstention
    fell = "falls" if record.after.ece < record.before.ece else "does not fall"
    lines = [
        f"On average its confidence is {percent(abs(over))} points too {'high' if over > 0 else 'low'}.",
        f"With temperature {record.temperature:.2f} the calibration error {fell}: {before} % before, {after} % after.",
    ]
    if a.threshold is None:
        return [*lines, _no_threshold(a)]
    if a.coverage == 1:
        return [*lines, f"Every face may keep its label, for {percent(a.wanted_accuracy)} % right ones on val."]
    return [
        *lines,
        f"From confidence {a.threshold:.2f} on it labels {percent(a.coverage)} % of the faces, and "
        f"{percent(a.accuracy)} % of these labels are right.",
    ]


def sections(record: CalibrationRecord, shown: Shown) -> list[Section]:
    """Sections of the page."""
    where = (
        "The temperature was fitted on these faces. Cross-fitted scales each fold by the temperature of the others, "
        "so that no face is scaled by a temperature that was fitted to it."
        if record.fitted_here
        else "The temperature and the threshold were fitted on val before and kept."
    )
    return [
        Section(
            "Calibration",
            f"A net is calibrated if a share c of the predictions with confidence c is right. {where}",
            [_errors(record)],
            [
                figure(_one, (name, p), f"{_RELIABILITY} {name}.", file=f"reliability_{i}", values=_values(p))
                for i, (name, p) in enumerate(_both(record).items(), 1)
            ],
        ),
        Section(
            "Accuracy at coverage",
            _abstention(record),
            [_coverage(record)],
            [figure(_kept, record, "Accuracy of the most confident faces by their share, with its 95 % interval.")],
        ),
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


def diagrams(drawing: "Figure", record: CalibrationRecord, colours: Mapping[str, Any]) -> None:
    """Draw the reliability diagrams before and after scaling, side by side."""
    bins = {f"{name}: {percent(p.ece)} %": [asdict(b) for b in p.reliability] for name, p in _both(record).items()}
    reliability.diagrams(drawing, bins, colours)


def _both(record: CalibrationRecord) -> dict[str, Probabilities]:
    return {"without scaling": record.before, f"temperature {record.temperature:.2f}": record.after}


def _one(drawing: "Figure", content: tuple[str, Probabilities], colours: Mapping[str, Any]) -> None:
    name, p = content
    reliability.diagrams(drawing, {f"{name}: {percent(p.ece)} %": [asdict(b) for b in p.reliability]}, colours)


def _values(p: Probabilities) -> list[Sequence[Any]]:
    return [reliability.HEAD, *reliability.rows([asdict(b) for b in p.reliability])]


def _kept(drawing: "Figure", record: CalibrationRecord, colours: Mapping[str, Any]) -> None:
    drawing.set_size_inches(4.4, 3.2)
    axes = drawing.add_subplot()
    held = [(100 * at.coverage, at.accuracy, *at.interval95) for at in record.coverage if at.interval95]
    share, accuracy, low, high = zip(*held, strict=True) if held else ((), (), (), ())
    bottom, top = ([100 * end for end in ends] for ends in (low, high))
    axes.fill_between(share, bottom, top, color=colours["first"], alpha=0.2)
    axes.plot(share, [100 * a for a in accuracy], "o-", color=colours["first"], ms=4)
    axes.set(xlabel="most confident faces %", ylabel="right %", xlim=(0, 102))
    axes.spines[["top", "right"]].set_visible(False)
