"""Sections with tables, figures and galleries of faces in, one page without outside parts out.

Commands give finished words and pictures; how a study looks is decided here and in study.html alone.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ferlab.data.faces import Faces
from ferlab.drawing import both_themes, drawn, face_uri
from ferlab.expressions import EXPRESSIONS


def render(kind: str, title: str, about: Mapping[str, Any], sections: Sequence[Mapping]) -> str:
    """The page of a study called `kind` on the data called `title`; `sections` are what `section` gave."""
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # file names and config values come from users
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    details = {key: _readable(value) for key, value in about.items() if value not in (None, {}, [])}
    page = env.get_template("study.html")
    return page.render(kind=kind, title=title, name=about["name"], sections=sections, details=details)


def section(
    title: str,
    text: str = "",
    tables: Sequence[Mapping] = (),
    figures: Sequence[Mapping] = (),
    gallery: Sequence[Mapping] = (),
) -> dict[str, Any]:
    """One section of a page: what `table`, `figure` and `cards` gave, under a title and a paragraph."""
    return {"title": title, "text": text, "tables": tables, "figures": figures, "gallery": gallery}


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> dict[str, Any]:
    """A table of words; the first column names the row."""
    return {"head": list(head), "rows": [list(row) for row in rows], "caption": caption}


def figure(draw: Any, content: Any, alt: str, caption: str = "", kind: str = "svg") -> dict[str, Any]:
    """A figure for both themes; `alt` says in words what it shows, `kind` is svg, or png for pictures of faces."""
    return {"picture": both_themes(draw, content, kind), "alt": alt, "caption": caption}


def png(draw: Any, content: Any) -> bytes:
    """The figure as a PNG file on white."""
    return drawn(draw, content, "light", "png")


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


def _readable(value: Any) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {inner}" for key, inner in value.items())
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
