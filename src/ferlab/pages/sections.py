"""Sections with tables, figures and galleries of faces in, one page without outside parts out.

Commands give finished words and pictures; how a study looks is decided here and in study.html alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ferlab.pages.figures import both_themes, drawn
from ferlab.pages.page import template
from ferlab.pages.words import readable


def render_page(kind: str, title: str, about: Mapping[str, Any], sections: Sequence[Mapping]) -> str:
    """The page of a study called `kind` on the data called `title`; `sections` are what `section` gave."""
    details = {key: readable(value) for key, value in about.items() if value not in (None, {}, [])}
    return template("study.html").render(kind=kind, title=title, name=about["name"], sections=sections, details=details)


def section(
    title: str,
    text: str = "",
    tables: Sequence[Mapping] = (),
    figures: Sequence[Mapping] = (),
    gallery: Sequence[Mapping] = (),
    commands: Sequence[str] = (),
    beside: bool = False,
) -> dict[str, Any]:
    """One section of a page: what `table`, `figure` and `page.cards` gave, under a title, a paragraph and commands.

    `beside`: figures stand side by side where there is room.
    """
    parts = {"tables": tables, "figures": figures, "gallery": gallery, "commands": commands, "beside": beside}
    return {"title": title, "text": text, **parts}


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> dict[str, Any]:
    """A table of words; the first column names the row."""
    return {"head": list(head), "rows": [list(row) for row in rows], "caption": caption}


def figure(draw: Any, content: Any, alt: str, caption: str = "", kind: str = "svg") -> dict[str, Any]:
    """A figure for both themes; `alt` says in words what it shows, `kind` is svg, or png for pictures of faces."""
    return {"picture": both_themes(draw, content, kind), "alt": alt, "caption": caption}


def png(draw: Any, content: Any) -> bytes:
    """The figure as a PNG file on white."""
    return drawn(draw, content, "light", "png")
