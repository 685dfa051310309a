"""`python -m ferlab.robustness`: a run's accuracy on faces as bad cameras, bad light and obstacles show them.

With data= the faces of any store, so that a run is measured where it was not trained.
"""

import itertools
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import track

from ferlab import report, studies
from ferlab.cli import command, plain
from ferlab.data.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.report_page import percent
from ferlab.studies import Study
from ferlab.study_page import figure, png, section, table

KIND = "robustness"


def measure(study: Study, config: Mapping[str, Any]) -> dict[str, Any]:
    """Accuracy clean and under each corruption and strength; writes the results and returns them.

    Returns:
        `clean`, `corruptions` (name -> one accuracy per strength, their `mean` and `drop`), and over all of them
        `mean_corruption_accuracy`, `mean_drop` and `relative`, the share of the clean accuracy that is left; None
        where no corruption is asked for.

    Raises:
        FerlabError: an unknown corruption or strength.
    """
    _check(config)
    started, faces = time.perf_counter(), study.faces
    names, strengths = config["corruptions"], config["strengths"]
    predicted = study.probabilities(faces.pixels, config["batch_size"]).argmax(1)
    clean = report.accuracy_of(predicted == faces.labels)
    accuracy = {name: {} for name in names}
    pairs = list(itertools.product(names, strengths))
    for name, strength in track(pairs, f"{study.about['name']}: corruptions", disable=not pairs):
        accuracy[name][strength] = _accuracy(study, corrupt(faces.pixels, name, strength), config)
    by_name = {}
    for name, by_strength in accuracy.items():
        mean = float(np.mean([a["accuracy"] for a in by_strength.values()]))
        by_name[name] = {"by_strength": by_strength, "mean": mean, "drop": clean["accuracy"] - mean}
    overall = float(np.mean([c["mean"] for c in by_name.values()])) if by_name else None
    found = {
        "clean": clean,
        "recall": _recall(predicted, faces.labels),
        "corruptions": by_name,
        "mean_corruption_accuracy": overall,
        "mean_drop": clean["accuracy"] - overall if by_name else None,
        "relative": overall / clean["accuracy"] if by_name and clean["accuracy"] else None,
        "seconds": studies.seconds(started),
    }
    pictures = {}
    if by_name:
        shown = _examples(study, config)
        pictures = {"robustness.png": png(_curves, found), "corruptions.png": png(_faces, shown)}
    study.write(found, _sections(study, found, shown if by_name else None), pictures)
    return found


def _check(config: Mapping[str, Any]) -> None:
    if unknown := [name for name in config["corruptions"] if name not in CORRUPTIONS]:
        raise FerlabError(f"corruptions has {unknown[0]!r}; choose from {', '.join(CORRUPTIONS)}")
    if not config["strengths"] or any(s not in STRENGTHS for s in config["strengths"]):
        raise FerlabError(f"strengths is {config['strengths']}; choose some of {', '.join(map(str, STRENGTHS))}")


def _accuracy(study: Study, pixels: np.ndarray, config: Mapping[str, Any]) -> dict[str, Any]:
    predicted = study.probabilities(pixels, config["batch_size"]).argmax(1)
    return report.accuracy_of(predicted == study.faces.labels)


def _recall(predicted: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """Of each expression; None for one that the data have not."""
    hits = {name: predicted[labels == k] == k for k, name in enumerate(EXPRESSIONS)}
    return {name: float(right.mean()) if len(right) else None for name, right in hits.items()}


def _examples(study: Study, config: Mapping[str, Any]) -> dict[str, Any]:
    """Faces [corruptions, examples, 1 + strengths, 48, 48] to be seen, of different expressions where there are."""
    labels = study.faces.labels
    firsts = sorted(np.unique(labels, return_index=True)[1], key=lambda i: -np.bincount(labels)[labels[i]])
    few = study.faces.pixels[firsts[: config["examples"]]]
    rows = [
        np.stack([few, *(corrupt(few, name, strength) for strength in config["strengths"])], 1)
        for name in config["corruptions"]
    ]
    return {"faces": np.stack(rows), "names": config["corruptions"], "strengths": config["strengths"]}


def _sections(study: Study, found: Mapping[str, Any], shown: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    clean = found["clean"]
    rows = [[name, "–" if r is None else percent(r)] for name, r in found["recall"].items()]
    first = section(
        "Clean faces",
        f"{percent(clean['accuracy'])} % of {clean['n']} faces are right (95 % interval "
        f"{'–'.join(map(percent, clean['interval95']))}).",
        [table(["expression", "recall %"], rows, "A dash: the data have no such face.")],
    )
    if not shown:
        return [first]
    strengths = shown["strengths"]
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
    seen = (
        f"{shown['faces'].shape[1]} faces, clean and at strengths {', '.join(map(str, strengths))}, a row a corruption."
    )
    return [
        first,
        section(
            "Corrupted faces",
            f"Mean corruption accuracy {percent(found['mean_corruption_accuracy'])} %, "
            f"{percent(found['mean_drop'])} points below clean; {percent(found['relative'])} % of the clean accuracy "
            "is left. After Hendrycks and Dietterich 2019 (arXiv:1903.12261). The draws of a face follow from its "
            "pixels: every run sees the same.",
            [table(head, rows, "Percent of faces that are right.")],
            [figure(_curves, found, alt), figure(_faces, shown, seen, kind="png")],
        ),
    ]


def _curves(drawing: Figure, found: Mapping[str, Any], colours: Mapping[str, Any]) -> None:
    by_name = found["corruptions"]
    columns = 4
    rows = -(-len(by_name) // columns)
    drawing.set_size_inches(9.6, 1.9 * rows + 0.3)
    panels = drawing.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    for axes, (name, c) in itertools.zip_longest(panels, by_name.items(), fillvalue=(None, None)):
        if name is None:
            axes.set_visible(False)
            continue
        points = [(0, found["clean"]["accuracy"]), *((s, a["accuracy"]) for s, a in c["by_strength"].items())]
        axes.axhline(100 * points[0][1], color=colours["faint"], linestyle="--", linewidth=1)
        axes.plot([s for s, _ in points], [100 * a for _, a in points], "o-", color=colours["first"], ms=3)
        axes.set_title(f"{name.replace('_', ' ')}: {percent(c['mean'])} %", fontsize=9)
        axes.set_ylim(0, 100)
        axes.spines[["top", "right"]].set_visible(False)
    drawing.supxlabel("strength", fontsize=9)
    drawing.supylabel("accuracy %", fontsize=9)


def _faces(drawing: Figure, shown: Mapping[str, Any], colours: Mapping[str, Any]) -> None:
    faces = shown["faces"]  # [corruptions, examples, 1 + strengths, 48, 48]
    n, examples, steps = faces.shape[:3]
    drawing.set_size_inches(0.62 * examples * steps + 1.8, 0.62 * n)  # and room for the names
    axes = drawing.add_subplot()
    sheet = faces.transpose(0, 3, 1, 2, 4).reshape(n * 48, examples * steps * 48)
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_yticks([48 * i + 24 for i in range(n)], [name.replace("_", " ") for name in shown["names"]])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


@command("robustness")
def main(cfg: DictConfig) -> None:
    config = plain(cfg)
    _check(config)  # before a look at test is counted
    console = Console(soft_wrap=True, highlight=False)
    for study in studies.opened(config, KIND):
        found = measure(study, config)
        console.print(
            f"[bold]{study.about['name']}[/] {study.title}: clean [bold]{percent(found['clean']['accuracy'])} %[/]"
            + (
                f", mean corruption accuracy [bold]{percent(found['mean_corruption_accuracy'])} %[/], "
                f"{percent(found['mean_drop'])} points lower"
                if found["corruptions"]
                else ""
            )
            + f"; {found['seconds']:.0f} s"
        )
        console.print(f"  {study.folder / 'index.html'}", style="dim")


if __name__ == "__main__":
    main()
