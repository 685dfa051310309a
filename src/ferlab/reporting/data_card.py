"""A store's card.json -> its data card in Markdown, after Gebru et al. 2021 (arXiv:1803.09010).

Numbers are those that `ferlab.prepare` counted; where the data come from and what their publishers state of licences
stands here, with its source.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ferlab.expressions import EXPRESSIONS
from ferlab.reporting import markdown
from ferlab.studies.study_record import MeasuredAccuracy

Votes = Mapping[str, Mapping[str, MeasuredAccuracy]]


class Origin(NamedTuple):
    """What publishers say of their data: who made them and how, labels, terms."""

    made: str
    labels: str
    terms: str


_FER2013 = Origin(
    "Web images found by 184 emotion-related keywords, combined with words for gender, age and ethnicity; faces cut "
    "out by OpenCV, checked by people, shrunk to 48x48 grey (Goodfellow et al. 2013, arXiv:1307.0414). The paper "
    "reports no consent of those who are shown.",
    "The keyword that found an image, mapped to seven classes by the makers; there is one label a face and no second "
    "opinion in the file.",
    "The rules of the Kaggle challenge name no licence of the images, and those who copied the set name different "
    "ones. Not redistributed here.",
)
_OWN = Origin(
    "Images that whoever uses the program put there.",
    "The folder's name.",
    "Not known to the program: whoever put the images there must know.",
)
# By layout of the source.
ORIGINS = {
    "fer2013": _FER2013,
    "ferplus": _FER2013._replace(
        labels="Ten votes a face by crowd workers (FER+, Barsoum et al. 2016, arXiv:1608.01041).",
        terms=_FER2013.terms + " The votes: github.com/microsoft/FERPlus, which does not hold the images.",
    ),
    "ck_plus": Origin(
        "Posed sequences filmed in a laboratory (Lucey et al. 2010, doi:10.1109/CVPRW.2010.5543262).",
        "Coders' emotion labels of a sequence's peak frame.",
        "By agreement with its makers, on request; not redistributed here.",
    ),
    "jaffe": Origin(
        "Posed by ten Japanese women (Lyons et al. 1998, doi:10.5281/zenodo.3451524).",
        "The pose that was asked for.",
        "Non-commercial scientific research, with citation, on request (its page on Zenodo); not redistributed here.",
    ),
    "kdef": Origin(
        "Posed by 70 amateur actors (Lundqvist, Flykt and Öhman 1998, The Karolinska Directed Emotional Faces).",
        "The pose that was asked for.",
        "Scientific research, on request; not redistributed here.",
    ),
    "rafd": Origin(
        "Posed by trained models (Langner et al. 2010, doi:10.1080/02699930903485076).",
        "The pose that was asked for.",
        "Scientific research, on request; not redistributed here.",
    ),
    "affectnet": Origin(
        "Web images found by 1,250 emotion-related keywords (Mollahosseini et al. 2017, arXiv:1708.03985).",
        "One annotator's label a face.",
        "Research, by agreement with its makers; not redistributed here.",
    ),
    "class_folders": _OWN,
    "image_folders": _OWN,
    "table": _OWN._replace(labels="The table's."),
    "arrays": _OWN._replace(labels="The array's."),
    "drawn": Origin("Drawn by the program from a seed; nobody is shown.", "What was drawn.", "MIT, as the program."),
}


def render(card: Mapping[str, Any], data: str, votes: Votes) -> str:
    """The card as Markdown.

    Args:
        card: content of a store's card.json.
        data: what was typed after data=.
        votes: split -> accuracy of a run by what FER+'s votes say of the label.
    """
    origin = ORIGINS.get(card["layout"]) or Origin(*(f"Layout {card['layout']}: not known to the program.",) * 3)
    sections = {
        "Motivation and origin": markdown.bullets(
            [origin.made, f"Layout: {card['layout']}, options {card['options'] or 'none'}."]
        ),
        "Composition": _composition(card),
        "Labels": markdown.bullets([origin.labels, *_agreement(card, votes)]),
        "Duplicates and leaks": markdown.bullets(_leaks(card, data)),
        "Preprocessing": "Grey, 48x48 pixels, uint8; what a net sees is made of that by its own preprocessing.",
        "Uses": markdown.bullets(
            [
                "To train and compare classifiers of expressions; not to learn who a person is or what they feel.",
                "Who is shown (age, gender, skin, culture): not measured; the files do not say.",
            ]
        ),
        "Distribution and licence": origin.terms,
        "Files": markdown.bullets(_files(card)),
    }
    head = (
        "Written by `python -m ferlab.describe` from what `ferlab.prepare` counted, after Gebru et al. 2021 "
        "(arXiv:1803.09010) and Pushkarna et al. 2022 (arXiv:2204.01075)."
    )
    parts = [f"# Data card: {markdown.safe(card['name'])}", head]
    for title, content in sections.items():
        parts += [f"## {title}", content]
    return "\n\n".join(parts) + "\n"


def _composition(card: Mapping[str, Any]) -> str:
    rows = [
        [split, *(f"{counts[name]:,}" for name in EXPRESSIONS), f"{sum(counts.values()):,}"]
        for split, counts in card["counts"].items()
    ]
    lines = [f"{card['faces']:,} faces; subjects: {card['subjects'] or 'unknown'}."]
    for split, counts in card["counts"].items():
        empty = [name for name in EXPRESSIONS if not counts[name]]
        if any(counts.values()) and empty:
            lines.append(f"{split} has no face of {', '.join(empty)}.")
        elif not any(counts.values()):
            lines.append(f"{split} has no face.")
    known = {name: n for name, n in card["counts"]["train"].items() if n}
    if len(known) > 1:
        most, least = max(known, key=known.__getitem__), min(known, key=known.__getitem__)
        lines.append(f"In training {most} has {known[most] / known[least]:.1f} times the faces of {least}.")
    if card.get("auxiliary"):
        lines.append("Auxiliary: for training only.")
    return markdown.markdown(["split", *EXPRESSIONS, "all"], rows) + "\n\n" + markdown.bullets(lines)


def _agreement(card: Mapping[str, Any], votes: Votes) -> list[str]:
    lines = [f"Identical faces with different labels: {card['duplicates']['contradictory']:,} groups."]
    for split, groups in votes.items():
        n = sum(of.n for of in groups.values())
        shares = ", ".join(f"{name} {of.n:,}, {markdown.share(of.n, n)} %" for name, of in groups.items())
        lines.append(f"FER+'s majority of ten votes against the label, {split}, {n:,} faces: {shares}.")
    if not votes and card["layout"] == "fer2013":
        command = "python -m ferlab.analyse runs=outputs/NAME"
        lines.append(
            markdown.unmeasured("Agreement with FER+'s votes", f"{command}` and give that run with `runs=outputs/NAME")
        )
    return lines


def _leaks(card: Mapping[str, Any], data: str) -> list[str]:
    d = card["duplicates"]
    lines = [
        f"Pixel-identical faces: {d['groups']:,} groups, {d['redundant']:,} faces beyond the first of each.",
        f"Groups that stand in more than one split: {d['groups_across']:,}. "
        + "; ".join(f"{name}: {n:,} faces" for name, n in d["twins"].items())
        + ".",
        f"Mirrored pairs across splits: {d['mirrored_across']:,}.",
        f"Faces of one grey: {d['constant']:,}.",
    ]
    near = "Copies across splits, also mirrored, re-encoded or retouched"
    if d["near"]:
        lines.append(f"{near}: " + ", ".join(f"{n:,} {name}" for name, n in d["near"].items()) + ".")
    else:
        lines.append(markdown.unmeasured(near, f"python -m ferlab.prepare data={data} near=true"))
    if card.get("auxiliary"):
        twins = card["in_val_or_test"]
        counted = ", ".join(f"{n:,} {kind}" for kind, n in twins.items())
        lines.append(f"Faces that also stand in val or test and are left out of training: {counted}.")
    return lines


def _files(card: Mapping[str, Any]) -> list[str]:
    lines = [
        f"Raw: {card['raw_files']:,} files, {card['raw_bytes']:,} bytes, sha256 `{card['raw_sha256']}`"
        + ("" if card["raw_files"] == 1 else " (of their sums in turn)")
        if card["raw_files"]
        else "Raw: none.",
        f"Pixels as stored: sha256 `{card['pixels_sha256']}`",
    ]
    if "md5" in card:
        md5 = card["md5"]
        same = (
            "as published" if md5["found"] == md5["published"] else f"published is `{md5['published']}`: another file"
        )
        lines.append(f"md5 of {md5['file']}: `{md5['found']}`, {same}")
    return lines
