"""What `ferlab.robustness` measured -> the sections of its page; the same for a page that gathers several studies."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from ferlab.pages.sections import figure, section, table
from ferlab.pages.words import ends, percent

FACES = "corruptions.png"  # of the study's folder


def sections(found: Mapping[str, Any], shown: Sequence[Mapping] = ()) -> list[dict[str, Any]]:
    """Sections of what `measure` found, as returned or as read from robustness.json.

    `shown`: figures of corrupted faces, where there are.
    """
    clean = found["clean"]
    rows = [[name, "–" if r is None else percent(r)] for name, r in found["recall"].items()]
    first = section(
        "Clean faces",
        f"{percent(clean['accuracy'])} % of {clean['n']} faces are right (95 % interval {ends(clean['interval95'])}).",
        [table(["expression", "recall %"], rows, "A dash: the data have no such face.")],
    )
    if not found["corruptions"]:
        return [first]
    # In a JSON file the strengths are words.
    strengths = list(next(iter(found["corruptions"].values()))["by_strength"])
    head = ["corruption", *(f"strength {s}" for s in strengths), "mean", "drop against clean"]
    rows = [
        [
            name.replace("_", " "),
            *(percent(c["by_strength"][s]["accuracy"]) for s in strengths),
            percent(c["mean"]),
            percent(c["drop"]),
        ]
        for name, c in found["corruptions"].items()
    ]
    alt = "Accuracy over strength, a line for each corruption; strength 0 is the clean face."
    return [
        first,
        section(
            "Corrupted faces",
            f"Mean corruption accuracy {percent(found['mean_corruption_accuracy'])} %, "
            f"{percent(found['mean_drop'])} points below clean; {percent(found['relative'])} % of the clean accuracy "
            "is left. After Hendrycks and Dietterich 2019 (arXiv:1903.12261). The draws of a face follow from its "
            "pixels: every run sees the same.",
            [table(head, rows, "Percent of faces that are right.")],
            [figure(curves, found, alt), *shown],
        ),
    ]


def faces_figure(examples: Mapping[str, Any]) -> dict[str, Any]:
    """A figure of corrupted `faces` [corruptions, examples, 1 + strengths, 48, 48], their `names` and `strengths`."""
    strengths = ", ".join(map(str, examples["strengths"]))
    alt = f"{examples['faces'].shape[1]} faces, clean and at strengths {strengths}, a row a corruption."
    return figure(faces, examples, alt, kind="png")


def curves(drawing: Figure, found: Mapping[str, Any], colours: Mapping[str, Any]) -> None:
    """Draw accuracy over strength, a panel for each corruption."""
    by_name = found["corruptions"]
    columns = 4
    rows = -(-len(by_name) // columns)
    drawing.set_size_inches(9.6, 1.9 * rows + 0.3)
    panels = drawing.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    for axes, (name, c) in itertools.zip_longest(panels, by_name.items(), fillvalue=(None, None)):
        if name is None:
            axes.set_visible(False)
            continue
        points = [(0, found["clean"]["accuracy"]), *((int(s), a["accuracy"]) for s, a in c["by_strength"].items())]
        axes.axhline(100 * points[0][1], color=colours["faint"], linestyle="--", linewidth=1)
        axes.plot([s for s, _ in points], [100 * a for _, a in points], "o-", color=colours["first"], ms=3)
        axes.set_title(f"{name.replace('_', ' ')}: {percent(c['mean'])} %", fontsize=9)
        axes.set_ylim(0, 100)
        axes.spines[["top", "right"]].set_visible(False)
    drawing.supxlabel("strength", fontsize=9)
    drawing.supylabel("accuracy %", fontsize=9)


def faces(drawing: Figure, shown: Mapping[str, Any], colours: Mapping[str, Any]) -> None:
    """Draw corrupted faces as one sheet."""
    pixels = shown["faces"]  # [corruptions, examples, 1 + strengths, 48, 48]
    n, examples, steps = pixels.shape[:3]
    drawing.set_size_inches(0.62 * examples * steps + 1.8, 0.62 * n)  # and room for the names
    axes = drawing.add_subplot()
    sheet = pixels.transpose(0, 3, 1, 2, 4).reshape(n * 48, examples * steps * 48)
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_yticks([48 * i + 24 for i in range(n)], [name.replace("_", " ") for name in shown["names"]])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
