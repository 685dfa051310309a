"""A record of `ferlab.analyse` -> its page, its row in a comparison and its lines of a model card."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ferlab.pages.sections import PageTable, Section, Shown, figure
from ferlab.pages.words import ends, percent
from ferlab.studies.mistakes_record import MistakesRecord
from ferlab.studies.study_record import MeasuredAccuracy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES: dict[str, str] = {}
_HEAD = ["faces", "right %", "95 % interval"]


def findings(record: MistakesRecord) -> list[str]:
    """Sentences on top of the page."""
    lines = [
        f"Right for {percent(record.clear.accuracy)} % of the {record.clear.n:,} clear faces and for "
        f"{percent(record.ambiguous.accuracy)} % of the {record.ambiguous.n:,} ambiguous ones."
    ]
    if record.ferplus and record.errors:
        share = percent(record.disputed_errors / record.errors) if record.disputed_errors is not None else "–"
        lines.append(f"FER+ disputes the label of {record.disputed_errors} of the {record.errors} errors ({share} %).")
    else:
        lines.append(f"It is wrong for {record.errors} faces; these data have no second opinion of their labels.")
    return lines


def sections(record: MistakesRecord, shown: Shown) -> list[Section]:
    """Sections of the page; `shown` may hold the galleries `ambiguous`, `twins` and `issues`."""
    parts = [_ambiguous(record, shown)]
    if (twins := record.contradictory_twins) and twins.n:
        text = (
            f"{twins.n} faces have an identical face of another label in the same split or in training, so nobody can "
            f"be right on both. {twins.correct} predictions are the face's own label, {twins.answers_of_twin} are that "
            "of the identical face."
        )
        parts.append(Section("Identical faces, other labels", text, gallery=shown.galleries.get("twins", ())))
    return parts + _ferplus(record, shown)


def compared(records: Sequence[MistakesRecord]) -> tuple[list[str], list[list[str]]]:
    """Head and a row for each record; dashes without FER+'s votes."""
    head = ["right where FER+ agrees %", "disputes %", "no majority %", "errors that FER+ disputes"]
    rows = []
    for record in records:
        if groups := record.ferplus:
            right = [percent(groups[name].accuracy) for name in ("agrees", "disputes", "no majority")]
            rows.append([*right, f"{record.disputed_errors} of {record.errors}"])
        else:
            rows.append(["–"] * len(head))
    return head, rows


def card(record: MistakesRecord) -> list[str]:
    """Sentences for a model card."""
    lines = [f"right on {record.ambiguous.words()} ambiguous faces and on {record.clear.words()} clear ones."]
    if record.ferplus:
        groups = ", ".join(f"{name} {of.words()}" for name, of in record.ferplus.items() if of.n)
        lines.append(
            f"Right by what FER+'s ten votes say of the label (Barsoum et al. 2016, arXiv:1608.01041): {groups}."
        )
    return lines


def _ambiguous(record: MistakesRecord, shown: Shown) -> Section:
    a, gallery = record.ambiguous, shown.galleries.get("ambiguous", ())
    rows = [["ambiguous", *_right(a)], ["clear", *_right(record.clear)]]
    return Section(
        "Ambiguous faces",
        f"The two highest probabilities differ by at most {percent(record.ambiguous_gap, 0)} points. One of the two is "
        f"that of the label in {a.right_in_two} of {a.n}." + (" Below are the closest." if gallery else ""),
        [PageTable(["faces that are", *_HEAD], rows)],
        gallery=gallery,
    )


def _ferplus(record: MistakesRecord, shown: Shown) -> list[Section]:
    if not record.ferplus:
        return []
    rows = [[name, *_right(of)] for name, of in record.ferplus.items()]
    alt = "Accuracy where FER+ agrees with the label, disputes it, has no majority, sees no face or has not rated."
    return [
        Section(
            "FER+ as a second opinion",
            "Ten people voted on each face (Barsoum et al. 2016, arXiv:1608.01041). FER+ disputes the label of "
            f"{record.disputed_errors} of the {record.errors} faces that count as errors.",
            [PageTable(["FER+", *_HEAD], rows, "A majority is more than half of a face's votes.")],
            [figure(bars, record.ferplus, alt, file="ferplus", values=_values(record.ferplus))],
        ),
        Section(
            "Doubtful labels",
            f"{len(record.label_issues)} faces where the net and FER+'s majority agree on another expression.",
            gallery=shown.galleries.get("issues", ()),
        ),
    ]


def _values(groups: Mapping[str, MeasuredAccuracy]) -> list[list[Any]]:
    rows = [[name, of.n, of.correct, of.accuracy, *(of.interval95 or ())] for name, of in groups.items()]
    return [["FER+", "faces", "right", "accuracy", "low", "high"], *rows]


def _right(measured: MeasuredAccuracy) -> list[str]:
    interval = ends(measured.interval95) if measured.n else "no face"
    return [str(measured.n), percent(measured.accuracy), interval]


def bars(drawing: "Figure", groups: Mapping[str, MeasuredAccuracy], colours: Mapping[str, Any]) -> None:
    """Draw the accuracy of each group of faces with its interval."""
    drawing.set_size_inches(5.4, 2.4)
    axes = drawing.add_subplot()
    held = {f"{name} ({of.n})": [of.accuracy, *of.interval95] for name, of in groups.items() if of.interval95}
    accuracy, low, high = 100 * np.array(list(held.values()), float).reshape(-1, 3).T
    spread = np.stack([accuracy - low, high - accuracy])
    axes.barh(list(held), accuracy, xerr=spread, color=colours["first"], ecolor=colours["second"], height=0.6)
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="accuracy %, with its 95 % interval")
    axes.spines[["top", "right"]].set_visible(False)
