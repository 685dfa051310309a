"""What all pages have in common: how a template is opened (their look is page_style.html, their parts are parts.html),
what stands on top and at the end of each, and galleries of faces."""

import base64
import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from ferlab.data.faces import Faces
from ferlab.expressions import EXPRESSIONS
from ferlab.files import Json
from ferlab.pages.figures import face_uri
from ferlab.pages.links import Link
from ferlab.pages.words import flat, percent, readable, view

GALLERIES = "galleries.json"  # beside a page: name -> its `cards`, for pages that gather several
_FOLDED = ("config", "export")  # of a provenance: what is long and nested


@dataclass(frozen=True)
class Head:
    """What stands on top of a page: its kind and what it is of, a title, the findings in sentences, other pages."""

    kind: str
    of: Sequence[str]
    title: str
    findings: Sequence[str] = ()
    links: Sequence[Link] = ()


@dataclass(frozen=True)
class Made:
    """How a page was made: the command, commits by what they did, files beside it, and all else, folded."""

    commands: Sequence[str] = ()
    commits: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[Link] = ()
    details: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)


def template(name: str) -> Template:
    """The template of a file in templates/."""
    env = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,  # file names and config values come from users
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {"percent": percent}
    env.globals |= {"csv_uri": csv_uri}
    return env.get_template(name)


def csv_uri(head: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    """A table as the data URI of a CSV file, to take away."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([head, *rows])
    return f"data:text/csv;base64,{base64.b64encode(text.getvalue().encode('utf-8', 'backslashreplace')).decode()}"


def details(provenance: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """A provenance as groups of (key, value) in words: what is short first, then each nested part by itself."""
    known = {key: value for key, value in provenance.items() if value not in (None, {}, [])}
    if isinstance(known.get("views"), list):
        known["views"] = "; ".join(map(view, known["views"]))
    short = [(key.replace("_", " "), readable(value)) for key, value in known.items() if key not in _FOLDED]
    nested = {key: list(flat(known[key])) for key in _FOLDED if isinstance(known.get(key), Mapping)}
    return {"provenance": short, **nested}


def commits(provenance: Mapping[str, Any]) -> dict[str, str]:
    """The commits that a provenance names, by what was done with them; several members may have several."""
    named = {"trained by": provenance.get("commit"), "evaluated by": provenance.get("evaluated_commit")}
    return {what: readable(value) for what, value in named.items() if value}


def cards(faces: Faces, index: Sequence[int], probabilities: np.ndarray, notes: Sequence[str]) -> list[Json]:
    """Gallery entries of the faces at `index` with all seven probabilities [N,7] and a note each."""
    labels, predicted = faces.labels, probabilities.argmax(1)
    return [
        {
            "image": face_uri(faces.pixels[i]),
            "label": EXPRESSIONS[labels[i]],
            "predicted": EXPRESSIONS[predicted[i]],
            "bars": list(zip(EXPRESSIONS, map(float, probabilities[i]), strict=True)),
            "note": note,
            "origin": faces.origin(int(i)),
        }
        for i, note in zip(index, notes, strict=True)
    ]


def galleries_file(galleries: Mapping[str, Sequence[Mapping]]) -> bytes:
    """The content of `GALLERIES`."""
    return json.dumps(galleries, indent=1).encode() + b"\n"
