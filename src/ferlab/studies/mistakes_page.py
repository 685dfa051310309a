"""What `ferlab.analyse` found -> the sections of its page; the same for a page that gathers several studies."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ferlab.pages.sections import figure, section, table
from ferlab.pages.words import ends, percent


def sections(found: Mapping[str, Any], galleries: Mapping[str, Sequence[Mapping]]) -> list[dict[str, Any]]:
    """Sections of what `analyse` found, as returned or as read from analysis.json.

    `galleries`: `page.cards` of `ambiguous`, `twins` and `issues`, as far as there are.
    """
    head = ["faces that are", "faces", "right %", "95 % interval"]
    a, gap = found["ambiguous"], percent(found["ambiguous_gap"], 0)
    sections = [
        section(
            "Ambiguous faces",
            f"The two highest probabilities are at most {gap} points apart. One of the two is the label in "
            f"{a['right_in_two']} of {a['n']}." + (" Shown: the closest." if galleries.get("ambiguous") else ""),
            [table(head, [["ambiguous", *_right(a)], ["clear", *_right(found["clear"])]])],
            gallery=galleries.get("ambiguous", ()),
        )
    ]
    if twins := found["contradictory_twins"]:
        text = (
            f"{twins['n']} faces have a pixel-identical face in the same split or in training that is labelled "
            f"otherwise: nobody can be right on both. {twins['correct']} answers are the face's own label, "
            f"{twins['answers_of_twin']} the twin's."
        )
        sections.append(section("Identical faces, other labels", text, gallery=galleries.get("twins", ())))
    if found["ferplus"]:
        rows = [[name, *_right(of)] for name, of in found["ferplus"].items()]
        alt = "Accuracy where FER+ agrees with the label, disputes it, has no majority, sees no face or has not rated."
        sections.append(
            section(
                "FER+ as a second opinion",
                "Ten people voted on each face (Barsoum et al. 2016, arXiv:1608.01041). FER+ disputes the label of "
                f"{found['disputed_errors']} of the {found['errors']} faces that are counted as errors.",
                [table(["FER+", *head[1:]], rows, "A majority is more than half of a face's votes.")],
                [figure(bars, found["ferplus"], alt)],
            )
        )
        text = f"{len(found['label_issues'])} faces where the net and FER+'s majority agree on another expression."
        sections.append(section("Doubtful labels", text, gallery=galleries.get("issues", ())))
    return sections


def _right(measured: Mapping[str, Any]) -> list[str]:
    interval = ends(measured["interval95"]) if measured["n"] else "no face"
    return [str(measured["n"]), percent(measured["accuracy"]), interval]


def bars(drawing: Figure, groups: Mapping[str, Any], colours: Mapping[str, Any]) -> None:
    """Draw the accuracy of each group of faces with its interval."""
    drawing.set_size_inches(6.4, 2.4)
    axes = drawing.add_subplot()
    held = [(name, of) for name, of in groups.items() if of["n"]]
    accuracy = np.array([100 * of["accuracy"] for _, of in held])
    spread = np.abs(np.array([[100 * edge for edge in of["interval95"]] for _, of in held]).T - accuracy)
    names = [f"{name} ({of['n']})" for name, of in held]
    axes.barh(names, accuracy, xerr=spread, color=colours["first"], ecolor=colours["second"], height=0.6)
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="accuracy %, with its 95 % interval")
    axes.spines[["top", "right"]].set_visible(False)
