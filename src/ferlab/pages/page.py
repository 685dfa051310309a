"""What all pages have in common: how a template is opened (their look is page_style.html, their parts are parts.html),
numbers and values in words, and galleries of faces."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from ferlab.data.faces import Faces
from ferlab.expressions import EXPRESSIONS
from ferlab.files import Json
from ferlab.pages.figures import face_uri
from ferlab.pages.words import percent

GALLERIES = "galleries.json"  # beside a page: name -> its `cards`, for pages that gather several


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
    return env.get_template(name)


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
