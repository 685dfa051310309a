"""What all pages have in common: how a template is opened (their look is page_style.html, their parts are parts.html),
numbers and values in words, and galleries of faces."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from ferlab.data.faces import Faces
from ferlab.drawing import face_uri
from ferlab.expressions import EXPRESSIONS

GALLERIES = "galleries.json"  # beside a page: name -> its `cards`, for pages that gather several


def template(name: str) -> Template:
    """The template of a file beside this one."""
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # file names and config values come from users
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {"percent": percent}
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


def percent(value: float | None, digits: int = 1) -> str:
    """0.7321 -> `73.2`; a dash for what could not be measured."""
    return "–" if value is None else f"{100 * value:.{digits}f}"


def ends(interval: Sequence[float] | None) -> str:
    """(0.71, 0.74) -> `71.0–74.0`; a dash where there is none."""
    return "–".join(map(percent, interval)) if interval else "–"


def readable(value: Any) -> str:
    """A value of a report or a config in words; what is nested as JSON."""
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, dict | list) for v in value)):
        return json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def listed(value: Any) -> str:
    """A value, or several with commas: what the members of an ensemble do not share is one a member."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def galleries_file(galleries: Mapping[str, Sequence[Mapping]]) -> bytes:
    """The content of `GALLERIES`."""
    return json.dumps(galleries, indent=1).encode() + b"\n"
