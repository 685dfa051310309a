"""What `ferlab.explain` found -> the sections and pictures of its page."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from ferlab.expressions import EXPRESSIONS
from ferlab.images import SIDE
from ferlab.pages.sections import figure, png, section, table
from ferlab.pages.words import percent
from ferlab.studies import face_regions
from ferlab.studies.opening import Study

MEANS, SINGLE = "mean_maps.png", "faces.png"  # of the study's folder
ALT = {
    MEANS: "Mean maps: a row for each expression, a column for each method, over the mean face.",
    SINGLE: "Single faces: the face, then its map by each method; red speaks for the expression, blue against it.",
}
_STEP = SIDE + 3  # from picture to picture on a sheet
_ALIGNED = (
    "FER2013's faces are registered roughly, not by landmarks: boxes and means over faces are right to a few pixels. "
    "The boxes were drawn on the mean training face (outlined in the first picture)."
)


def content(
    study: Study,
    found: Mapping[str, Any],
    pixels: np.ndarray,
    maps: Mapping[str, np.ndarray],
    target: np.ndarray,
    shown: int,
) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """(sections, pictures) of explained faces uint8 [N,48,48], maps [N,48,48] by method and classes int [N].

    `shown`: faces of each expression among the single ones.
    """
    means = {"pixels": pixels, "maps": maps, "target": target}
    few = np.concatenate([np.flatnonzero(target == k)[:shown] for k in range(len(EXPRESSIONS))])
    labels = study.faces.labels[[face["row"] for face in found["faces"]]]
    single = {"pixels": pixels[few], "maps": {n: m[few] for n, m in maps.items()}, "target": target[few]}
    single["labels"] = labels[few]
    drawn = {
        MEANS: figure(_mean_maps, means, ALT[MEANS], kind="png"),
        SINGLE: figure(_single_faces, single, ALT[SINGLE], kind="png"),
    }
    pictures = {
        MEANS: png(_mean_maps, means),
        SINGLE: png(_single_faces, single),
        "sanity.png": png(_sanity, found),
    }
    return sections(found, drawn), pictures


def sections(found: Mapping[str, Any], drawn: Mapping[str, Mapping]) -> list[dict[str, Any]]:
    """Sections of what `explain` found, as returned or as read from explain.json.

    `drawn`: the figures `MEANS` and `SINGLE`, as far as there are.
    """
    explained = Counter(face["explained"] for face in found["faces"])
    counts = ", ".join(f"{explained[name]} {name}" for name in EXPRESSIONS)
    parts = [
        section(
            "Which parts of a face carry an answer",
            f"{len(found['faces'])} faces ({counts}) explained as {_target(found)}. {_ALIGNED}"
            + (f" Left out, of one grey: {n}." if (n := found["left_out_constant"]) else ""),
            figures=[drawn[MEANS]] if MEANS in drawn else [],
        ),
        section(
            "The poster's reading",
            "Supported: the named regions are denser than the other parts of the face and each denser than a map that "
            "knows nothing, with 95 % intervals. Partly: the first alone. Contradicted: they are less dense. A method "
            "that fails a check below is no witness.",
            [_claims(found)],
        ),
        section("Share of attribution over share of area", "", [_regions(found, name) for name in found["regions"]]),
        section(
            "How far to believe the maps",
            "Deletion replaces the pixels that a map ranks first by the face's mean grey, insertion puts them back "
            "into a blurred face; the area is the mean probability of the explained expression on the way. A map that "
            "knows something deletes faster and inserts sooner than random maps of its grain (Petsiuk et al. 2018, "
            "arXiv:1806.07421). With random weights a map must become another one (Adebayo et al. 2018, "
            "arXiv:1810.03292).",
            _checks(found),
            [figure(_sanity, found, "Rank correlation of each method's map with the trained net's, by random layers.")],
        ),
    ]
    if SINGLE in drawn:
        parts.append(section("Single faces", "", figures=[drawn[SINGLE]]))
    return [*parts, section("Cost", "", [_cost(found)])]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _target(found: Mapping[str, Any]) -> str:
    return "what the net answers" if found["settings"]["target"] == "predicted" else "their label"


def _claims(found: Mapping[str, Any]) -> dict[str, Any]:
    rows = []
    for name in found["regions"]:
        believed = found["checks"][name]["better_than_random"] and found["sanity"][name]["passes"]
        cells = []
        for by_method in found["claims"].values():
            claim = by_method[name]
            d = claim["difference"]
            cells.append(claim["verdict"] + (f" ({d['low']:+.2f} to {d['high']:+.2f})" if d else ""))
        rows.append([_words(name) + ("" if believed else " (fails a check)"), *cells])
    named = face_regions.CLAIMS.items()
    caption = "In brackets: density of the named regions minus that of the other parts of the face, 95 % interval."
    return table(["method", *(f"{expression}: {', '.join(regions)}" for expression, regions in named)], rows, caption)


def _regions(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    regions = [*face_regions.BOXES, face_regions.REST]
    rows = []
    for expression, of in found["regions"][name].items():
        if of is None:
            rows.append([expression, "0", *["no face"] * len(regions)])
        else:
            cells = (f"{of[r]['mean']:.2f} ({of[r]['low']:.2f}–{of[r]['high']:.2f})" for r in regions)
            rows.append([expression, str(of["n"]), *cells])
    head = ["expression", "faces", *(f"{r} ({percent(found['areas'][r], 0)} % of area)" for r in regions)]
    caption = (
        "1 is a map that knows nothing; 95 % bootstrap intervals. A face whose map has nothing above 0 is left out."
    )
    return table(head, rows, f"{_words(name)}: {caption}")


def _checks(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for name, of in found["checks"].items():
        row = [_words(name), f"{of['deletion']:.3f}", f"{of['insertion']:.3f}"]
        if "difference" in of:
            differences = (of["difference"][kind] for kind in ("deletion", "insertion"))
            row += [f"{d['mean']:+.3f} ({d['low']:+.3f} to {d['high']:+.3f})" for d in differences]
            row.append("yes" if of["better_than_random"] else "no")
        rows.append(row + ["–"] * (6 - len(row)))
    head = ["map", "deletion", "insertion", "deletion against random", "insertion against random", "better than random"]
    caption = "Against random pixels: gradients and integrated gradients; against random patches: the coarser methods."
    sane = [
        [_words(name), f"{of['correlation'][1]:+.2f}", f"{of['correlation'][-1]:+.2f}", "yes" if of["passes"] else "no"]
        for name, of in found["sanity"].items()
    ]
    limit = f"Passes below {found['settings']['sanity_limit']} in the end, a limit that is ours."
    last = ["map", "correlation, last layers random", "all layers random", "depends on the weights"]
    return [table(head, rows, caption), table(last, sane, limit)]


def _cost(found: Mapping[str, Any]) -> dict[str, Any]:
    rows = [[_words(name), f"{value:.1f}"] for name, value in found["seconds"].items()]
    caption = f"{len(found['faces'])} faces; at most {found['peak_memory_mb']:.0f} MB of memory."
    return table(["part", "seconds"], rows, caption)


def _shown(face: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A map over a faint face, RGB [48,48,3]: red for, blue against, scaled by its own largest value."""
    scaled = values / max(float(np.abs(values).max()), 1e-12)
    share = np.clip(np.abs(scaled), 0, 0.75)[..., None]
    mixed = (1 - share) * _grey(face) + share * colormaps["seismic"]((scaled + 1) / 2)[..., :3]
    return np.clip(mixed, 0, 1)  # float32 rounds to just above 1


def _grey(face: np.ndarray) -> np.ndarray:
    return np.repeat(face[..., None] / 255.0, 3, axis=2)


def _sheet(drawing: Figure, rows: Sequence[Sequence[np.ndarray]], names: Sequence[str], heads: Sequence[str]) -> Any:
    """Pictures RGB [48,48,3] in rows and columns, as one image: hundreds of axes would take a minute to draw."""
    sheet = np.ones((_STEP * len(rows), _STEP * len(heads), 3))
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet[_STEP * y : _STEP * y + SIDE, _STEP * x : _STEP * x + SIDE] = picture
    drawing.set_size_inches(1.35 * len(heads) + 1.4, 1.35 * len(rows) + 0.4)
    axes = drawing.add_subplot()
    axes.imshow(sheet, interpolation="nearest")
    axes.set_yticks([_STEP * y + SIDE / 2 for y in range(len(rows))], names, fontsize=8)
    axes.set_xticks([_STEP * x + SIDE / 2 for x in range(len(heads))], [_words(h) for h in heads], fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return axes


def _mean_maps(drawing: Figure, means: Mapping[str, Any], colours: Mapping[str, Any]) -> None:
    pixels, maps, target = means["pixels"], means["maps"], means["target"]
    rows, names = [], []
    for k in np.unique(target):
        here = target == k
        face = pixels[here].mean(0)
        # Each face's map counts alike, however large its logit is.
        each = [m[here] / np.maximum(np.abs(m[here]).max((1, 2), keepdims=True), 1e-12) for m in maps.values()]
        rows.append([_grey(face), *(_shown(face, m.mean(0)) for m in each)])
        names.append(f"{EXPRESSIONS[k]} ({here.sum()})")
    axes = _sheet(drawing, rows, names, ["mean face", *maps])
    for y in range(len(rows)):
        for top, bottom, left, right in itertools.chain(*face_regions.BOXES.values()):
            down = np.array([top, top, bottom, bottom, top]) + _STEP * y - 0.5
            axes.plot(np.array([left, right, right, left, left]) - 0.5, down, color=colours["second"], linewidth=0.7)


def _single_faces(drawing: Figure, single: Mapping[str, Any], colours: Mapping[str, Any]) -> None:
    pixels, maps = single["pixels"], single["maps"]
    rows = [[_grey(face), *(_shown(face, m[i]) for m in maps.values())] for i, face in enumerate(pixels)]
    told = [(EXPRESSIONS[a], EXPRESSIONS[b]) for a, b in zip(single["target"], single["labels"], strict=True)]
    names = [explained if explained == label else f"{explained}\n(is {label})" for explained, label in told]
    _sheet(drawing, rows, names, ["face", *maps])


def _sanity(drawing: Figure, found: Mapping[str, Any], colours: Mapping[str, Any]) -> None:
    drawing.set_size_inches(6.4, 3.2)
    axes = drawing.add_subplot()
    for (name, of), mark in zip(found["sanity"].items(), "osD^v", strict=False):
        share = [100 * s for s in of["random_share"]]
        axes.plot(share, of["correlation"], marker=mark, ms=4, label=_words(name))
    axes.axhline(found["settings"]["sanity_limit"], color=colours["faint"], linestyle="--", linewidth=1)
    axes.axhline(0, color=colours["faint"], linewidth=1)
    axes.set(xlabel="layers with random weights, from the logits down (%)", ylabel="rank correlation")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
