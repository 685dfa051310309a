"""Sections with tables, figures and galleries of faces in, one page without outside parts out.

Commands give finished words and pictures; how a study looks is decided here and in study.html alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ferlab.pages.figures import Draw, both_themes, drawn
from ferlab.pages.page import template
from ferlab.pages.words import readable


@dataclass(frozen=True)
class PageTable:
    """A table of words; the first column names the row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class PageFigure:
    """A figure as data URIs (`light` and `dark`); `alt` says in words what it shows."""

    picture: Mapping[str, str]
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """One section of a page: what `page.cards` gave, tables and figures under a title, a paragraph and commands.

    `beside`: figures stand side by side where there is room.
    """

    title: str
    text: str = ""
    tables: Sequence[PageTable] = ()
    figures: Sequence[PageFigure] = ()
    gallery: Sequence[Mapping[str, Any]] = ()
    commands: Sequence[str] = ()
    beside: bool = False


@dataclass(frozen=True)
class Shown:
    """What a page shows of single faces: figures by file name, galleries by name; empty where none were kept."""

    figures: Mapping[str, PageFigure] = field(default_factory=dict)
    galleries: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


def render_page(kind: str, title: str, provenance: Mapping[str, Any], sections: Sequence[Section]) -> str:
    """The page of a study called `kind` on the data called `title`."""
    details = {key: readable(value) for key, value in provenance.items() if value not in (None, {}, [])}
    name = provenance["name"]
    return template("study.html").render(kind=kind, title=title, name=name, sections=sections, details=details)


def figure(draw: Draw, content: Any, alt: str, caption: str = "", kind: str = "svg") -> PageFigure:
    """A figure drawn for both themes; `kind` is svg, or png for pictures of faces."""
    return PageFigure(both_themes(draw, content, kind), alt, caption)


def png(draw: Draw, content: Any) -> bytes:
    """The figure as a PNG file on white."""
    return drawn(draw, content, "light", "png")
