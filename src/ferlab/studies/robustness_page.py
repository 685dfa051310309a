"""A record of `ferlab.robustness` -> its page, its row in a comparison and its lines of a model card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ferlab.pages.sections import PageFigure, PageTable, Section, Shown, figure
from ferlab.pages.words import ends, percent
from ferlab.studies.robustness_record import RobustnessRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FACES = "corruptions.png"
PICTURES = {FACES: "Some faces, clean and at each strength, a row a corruption."}


def findings(record: RobustnessRecord) -> list[str]:
    """Sentences on top of the page."""
    clean = record.clean
    lines = [
        f"Right for {percent(clean.accuracy)} % of {clean.n:,} clean faces (95 % interval {ends(clean.interval95)})."
    ]
    if not record.corruptions:
        return lines
    lines.append(
        f"Right for {percent(record.mean_corruption_accuracy)} % of the corrupted ones, "
        f"{percent(record.mean_drop)} points fewer."
    )
    if len(record.corruptions) > 1:
        worst, least = (f(record.corruptions.items(), key=lambda item: item[1].drop) for f in (max, min))
        lines.append(
            f"Most is lost to {_words(worst[0])} ({percent(worst[1].drop)} points), least to {_words(least[0])} "
            f"({percent(least[1].drop)})."
        )
    return lines


def sections(record: RobustnessRecord, shown: Shown) -> list[Section]:
    """Sections of the page; `shown` may hold the figure `FACES`."""
    clean = record.clean
    recall = [[name, percent(r)] for name, r in record.recall.items()]
    first = Section(
        "Clean faces",
        f"{percent(clean.accuracy)} % of {clean.n} faces are right (95 % interval {ends(clean.interval95)}).",
        [PageTable(["expression", "recall %"], recall, "A dash: the data have no such face.")],
    )
    if not record.corruptions:
        return [first]
    alt = "Accuracy over strength, a line for each corruption; strength 0 is the clean face."
    return [
        first,
        Section(
            "Corrupted faces",
            f"Mean corruption accuracy is {percent(record.mean_corruption_accuracy)} %, {percent(record.mean_drop)} "
            f"points below clean; {percent(record.relative)} % of the clean accuracy is left. After Hendrycks and "
            "Dietterich 2019 (arXiv:1903.12261). A face's own pixels seed its random draws, so every run gets the same "
            "corrupted faces.",
            [_by_strength(record)],
            [figure(curves, record, alt, file="robustness", values=_values(record)), *shown.figures.values()],
        ),
    ]


def compared(records: Sequence[RobustnessRecord]) -> tuple[list[str], list[list[str]]]:
    """Head and a row for each record; a dash where a corruption was not measured."""
    names = list(dict.fromkeys(name for record in records for name in record.corruptions))
    rows = []
    for record in records:
        means = (c.mean if (c := record.corruptions.get(name)) else None for name in names)
        rows.append([*map(percent, (record.clean.accuracy, record.mean_corruption_accuracy, *means))])
    return ["clean %", "mean corrupted %", *map(_words, names)], rows


def card(record: RobustnessRecord) -> list[str]:
    """Sentences for a model card."""
    line = f"clean {record.clean.words()}"
    if not record.corruptions:
        return [f"{line}."]
    means = ", ".join(f"{_words(name)} {percent(c.mean)}" for name, c in record.corruptions.items())
    return [f"{line}, mean of all corruptions {percent(record.mean_corruption_accuracy)}: {means}."]


@dataclass(frozen=True)
class Examples:
    """Faces uint8 [corruptions, examples, 1 + strengths, 48, 48], clean first, with the names of the corruptions."""

    faces: np.ndarray
    names: Sequence[str]
    strengths: Sequence[int]


def faces_figure(examples: Examples) -> PageFigure:
    """A figure of corrupted faces."""
    strengths = ", ".join(map(str, examples.strengths))
    alt = f"{examples.faces.shape[1]} faces, clean and at strengths {strengths}, a row a corruption."
    return figure(faces, examples, alt, kind="png", file="corruptions", wide=True)


def _by_strength(record: RobustnessRecord) -> PageTable:
    strengths = list(next(iter(record.corruptions.values())).by_strength)
    head = ["corruption", *(f"strength {s}" for s in strengths), "mean", "drop against clean"]
    rows = [
        [_words(name), *(percent(c.by_strength[s].accuracy) for s in strengths), percent(c.mean), percent(c.drop)]
        for name, c in record.corruptions.items()
    ]
    return PageTable(head, rows, "Percent of faces that are right.")


def _values(record: RobustnessRecord) -> list[list[Any]]:
    """Head and rows of accuracies as they were measured, strength 0 for the clean faces."""
    rows = [
        [name, strength, a.n, a.correct, a.accuracy, *(a.interval95 or ())]
        for name, c in record.corruptions.items()
        for strength, a in {0: record.clean, **c.by_strength}.items()
    ]
    return [["corruption", "strength", "faces", "right", "accuracy", "low", "high"], *rows]


def _words(name: str) -> str:
    return name.replace("_", " ")


def curves(drawing: "Figure", record: RobustnessRecord, colours: Mapping[str, Any]) -> None:
    """Draw accuracy over strength, a panel for each corruption."""
    columns = 3  # which a phone still shows readably
    rows = -(-len(record.corruptions) // columns)
    drawing.set_size_inches(5.4, 1.5 * rows + 0.4)
    panels = list(drawing.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for axes in panels[len(record.corruptions) :]:
        axes.set_visible(False)
    for axes, (name, c) in zip(panels, record.corruptions.items(), strict=False):
        accuracy = {0: record.clean, **c.by_strength}
        percents = [np.nan if a.accuracy is None else 100 * a.accuracy for a in accuracy.values()]
        axes.axhline(percents[0], color=colours["faint"], linestyle="--", linewidth=1)
        axes.plot(list(accuracy), percents, "o-", color=colours["first"], ms=3)
        axes.set_title(f"{_words(name)}: {percent(c.mean)} %", fontsize=9)
        axes.set_ylim(0, 100)
        axes.spines[["top", "right"]].set_visible(False)
    drawing.supxlabel("strength", fontsize=9)
    drawing.supylabel("accuracy %", fontsize=9)


def faces(drawing: "Figure", examples: Examples, colours: Mapping[str, Any]) -> None:
    """Draw corrupted faces as one sheet."""
    n, many, steps = examples.faces.shape[:3]
    drawing.set_size_inches(0.62 * many * steps + 1.8, 0.62 * n)  # and room for the names
    axes = drawing.add_subplot()
    sheet = examples.faces.transpose(0, 3, 1, 2, 4).reshape(n * 48, many * steps * 48)
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_yticks([48 * i + 24 for i in range(n)], [_words(name) for name in examples.names])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
