"""A record of `ferlab.explain` -> its page, its row in a comparison and its lines of a model card."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ferlab.expressions import EXPRESSIONS
from ferlab.pages.sections import PageTable, Section, Shown, figure
from ferlab.pages.words import percent
from ferlab.studies.explanation_record import Densities, ExplanationRecord, Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEANS, SINGLE = "mean_maps.png", "faces.png"
_EMPTY = "Empty: the method gives every pixel 0, as Grad-CAM does where no region speaks for the expression."
PICTURES = {
    MEANS: "Mean maps: a row for each expression, a column for each method, over the mean face. " + _EMPTY,
    SINGLE: "Single faces: the face, then its map by each method; red speaks for the expression, blue against it. "
    + _EMPTY,
}
_ALIGNED = (
    "Faces are registered roughly at best, not by landmarks: boxes and means over faces are right to a few pixels. "
    "The boxes were drawn on the mean training face (outlined in the first picture)."
)


def findings(record: ExplanationRecord) -> list[str]:
    """Sentences on top of the page."""
    sound = record.sound
    named = f": {', '.join(map(_words, sound))}" if sound else ""
    lines = [f"{len(sound)} of {len(record.regions)} methods pass both checks of their maps{named}."]
    for expression, by_method in record.claims.items():
        regions = " and ".join(next(iter(by_method.values())).named)
        verdicts = Counter(by_method[m].verdict for m in sound)
        said = (
            ", ".join(f"{verdict} by {n} method{'s' * (n > 1)}" for verdict, n in verdicts.items())
            or "no method that may judge it"
        )
        lines.append(f"The poster's reading of {expression} ({regions}): {said}.")
    return lines


_SANITY = "Rank correlation of each method's map with the trained net's, by random layers."


def sections(record: ExplanationRecord, shown: Shown) -> list[Section]:
    """Sections of the page; `shown` may hold the figures `MEANS` and `SINGLE`."""
    explained = Counter(face.explained for face in record.faces)
    counts = ", ".join(f"{explained[name]} {name}" for name in EXPRESSIONS)
    target = "what the net predicts" if record.settings["target"] == "predicted" else "their label"
    left_out = f" Left out, of one grey: {record.left_out_constant}." if record.left_out_constant else ""
    parts = [
        Section(
            "Which parts of a face carry a prediction",
            f"{len(record.faces)} faces ({counts}) explained as {target}. {_ALIGNED}{left_out}",
            figures=[shown.figures[MEANS]] if MEANS in shown.figures else [],
        ),
        Section(
            "The poster's reading",
            "Supported: the named regions are denser than the other parts of the face, and each is denser than in a "
            "uniform map, with 95 % intervals. Partly: only the first holds. Contradicted: they are less dense. A "
            "method that fails a check below is no evidence.",
            [_claims(record)],
        ),
        Section("Share of attribution over share of area", "", [_regions(record, name) for name in record.regions]),
        _trust(record),
    ]
    if SINGLE in shown.figures:
        parts.append(Section("Single faces", "", figures=[shown.figures[SINGLE]]))
    return [*parts, Section("Cost", "", [_cost(record)])]


def compared(records: Sequence[ExplanationRecord]) -> tuple[list[str], list[list[str]]]:
    """Head and a row for each record."""
    rows = []
    for record in records:
        verdicts = [by_method[m].verdict for by_method in record.claims.values() for m in record.sound]
        supported = f"{verdicts.count('supported')} of {len(verdicts)}"
        rows.append([", ".join(map(_words, record.sound)) or "none", supported])
    return ["methods that pass both checks", "claims supported"], rows


def card(record: ExplanationRecord) -> list[str]:
    """Sentences for a model card and for the terminal: which methods pass, and what these say of each claim."""
    sound = ", ".join(map(_words, record.sound)) or "none"
    lines = [f"{len(record.faces)} faces, methods that pass both checks: {sound} of {len(record.regions)}."]
    for expression, by_method in record.claims.items():
        named = " and ".join(next(iter(by_method.values())).named)
        verdicts = ", ".join(f"{_words(m)} {by_method[m].verdict}" for m in record.sound)
        lines.append(f"The poster's claim of {expression} ({named}): {verdicts or 'no method that passes'}.")
    return lines


def _words(name: str) -> str:
    return name.replace("_", " ")


def _claims(record: ExplanationRecord) -> PageTable:
    rows = []
    for name in record.regions:
        cells = []
        for by_method in record.claims.values():
            claim = by_method[name]
            d = claim.difference
            cells.append(claim.verdict + (f" ({d.low:+.2f} to {d.high:+.2f})" if d else ""))
        rows.append([_words(name) + ("" if name in record.sound else " (fails a check)"), *cells])
    heads = (f"{name}: {', '.join(next(iter(of.values())).named)}" for name, of in record.claims.items())
    caption = "In brackets: density of the named regions minus that of the other parts of the face, 95 % interval."
    return PageTable(["method", *heads], rows, caption)


def _regions(record: ExplanationRecord, method: str) -> PageTable:
    rows = []
    for expression, of in record.regions[method].items():
        if of is None:
            rows.append([expression, "0", *["no face"] * len(record.areas)])
        else:
            rows.append([expression, str(of.n), *(_density(of, region) for region in record.areas)])
    head = ["expression", "faces", *(f"{r} ({percent(a, 0)} % of area)" for r, a in record.areas.items())]
    caption = "1 is the density of a uniform map; 95 % bootstrap intervals. A face without a value above 0 is left out."
    return PageTable(head, rows, f"{_words(method)}: {caption}")


def _density(of: Densities, region: str) -> str:
    d: Interval = getattr(of, region)
    return f"{d.mean:.2f} ({d.low:.2f}–{d.high:.2f})"


def _trust(record: ExplanationRecord) -> Section:
    return Section(
        "How far to trust the maps",
        "Deletion replaces the pixels that a map ranks first by the face's mean grey; insertion puts them back into a "
        "blurred face. The area is the mean probability of the explained expression on the way. An informative map "
        "deletes faster and inserts sooner than random maps of its grain (Petsiuk et al. 2018, arXiv:1806.07421). "
        "With random weights the map must change (Adebayo et al. 2018, arXiv:1810.03292).",
        [_checks(record), _randomised(record)],
        [figure(sanity, record, _SANITY, file="sanity", values=_sanity_values(record))],
    )


def _checks(record: ExplanationRecord) -> PageTable:
    rows = []
    for name, of in record.checks.items():
        row = [_words(name), f"{of.deletion:.3f}", f"{of.insertion:.3f}"]
        if of.difference:
            differences = (of.difference[kind] for kind in ("deletion", "insertion"))
            row += [f"{d.mean:+.3f} ({d.low:+.3f} to {d.high:+.3f})" for d in differences]
            row.append("yes" if of.better_than_random else "no")
        rows.append(row + ["–"] * (6 - len(row)))
    head = ["map", "deletion", "insertion", "deletion against random", "insertion against random", "better than random"]
    caption = "Against random pixels: gradients and integrated gradients; against random patches: the coarser methods."
    return PageTable(head, rows, caption)


def _randomised(record: ExplanationRecord) -> PageTable:
    rows = [
        [_words(name), f"{of.correlation[1]:+.2f}", f"{of.correlation[-1]:+.2f}", "yes" if of.passes else "no"]
        for name, of in record.sanity.items()
    ]
    limit = f"Passes below {record.settings['sanity_limit']} in the end, a limit that is ours."
    return PageTable(
        ["map", "correlation, last layers random", "all layers random", "depends on the weights"], rows, limit
    )


def _sanity_values(record: ExplanationRecord) -> list[list[Any]]:
    points = [
        [name, share, correlation]
        for name, of in record.sanity.items()
        for share, correlation in zip(of.random_share, of.correlation, strict=True)
    ]
    return [["method", "share of random layers", "rank correlation"], *points]


def _cost(record: ExplanationRecord) -> PageTable:
    rows = [[_words(name), f"{value:.1f}"] for name, value in record.seconds.items()]
    caption = f"{len(record.faces)} faces; at most {record.peak_memory_mb:.0f} MB of memory."
    return PageTable(["part", "seconds"], rows, caption)


def sanity(drawing: "Figure", record: ExplanationRecord, colours: Mapping[str, Any]) -> None:
    """Draw the rank correlation of each method's maps over the share of random layers."""
    drawing.set_size_inches(5.4, 3.4)
    axes = drawing.add_subplot()
    for (name, of), mark, ink in zip(record.sanity.items(), "osD^v", colours["lines"], strict=False):
        axes.plot([100 * s for s in of.random_share], of.correlation, marker=mark, ms=4, color=ink, label=_words(name))
    axes.axhline(record.settings["sanity_limit"], color=colours["faint"], linestyle="--", linewidth=1)
    axes.axhline(0, color=colours["faint"], linewidth=1)
    axes.set(xlabel="layers with random weights, from the logits down (%)", ylabel="rank correlation")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
