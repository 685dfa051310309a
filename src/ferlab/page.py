"""What all pages have in common: how a template is opened (their look is page_style.html), and galleries of faces."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from ferlab.data.faces import Faces
from ferlab.drawing import face_uri
from ferlab.expressions import EXPRESSIONS


def template(name: str, **filters: Any) -> Template:
    """The template of a file beside this one, with these filters."""
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # file names and config values come from users
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= filters
    return env.get_template(name)


def cards(faces: Faces, index: Sequence[int], probabilities: np.ndarray, notes: Sequence[str]) -> list[dict[str, Any]]:
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
