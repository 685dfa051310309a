"""Sections with tables, figures and galleries of faces in, one page without outside parts out.

Commands give finished words and pictures; how a study looks is decided here and in study.html alone.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ferlab.pages.figures import Draw, both_themes, drawn
from ferlab.pages.page import Head, Made, template


@dataclass(frozen=True)
class PageTable:
    """A table of words; the first column names the row, and leads to what `links` has for it.

    `sortable`: by any column, without a script.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    sortable: bool = False

    @property
    def wide(self) -> bool:
        """Whether it needs the width of the page: figures and other tables stand beside a narrow one."""
        return len(self.head) > 9

    @property
    def places(self) -> list[list[int]]:
        """Of each row its place by each column: numbers from the highest down, words by the alphabet, dashes last."""
        by_column = [_places(column) for column in zip(*self.rows, strict=True)]
        return [list(row) for row in zip(*by_column, strict=True)]


@dataclass(frozen=True)
class PageFigure:
    """A figure as data URIs (`light` and `dark`); `alt` says in words what it shows.

    `file`: name without ending of what can be taken away: the light picture and `values`, a table with its head first.
    `wide`: it needs the width of the page.
    """

    picture: Mapping[str, str]
    alt: str
    caption: str = ""
    file: str = "figure"
    values: Sequence[Sequence[Any]] = ()
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """One section of a page: what `page.cards` gave, tables and figures under a title, a paragraph and commands."""

    title: str
    text: str = ""
    tables: Sequence[PageTable] = ()
    figures: Sequence[PageFigure] = ()
    gallery: Sequence[Mapping[str, Any]] = ()
    commands: Sequence[str] = ()


@dataclass(frozen=True)
class Shown:
    """What a page shows of single faces: figures by file name, galleries by name; empty where none were kept."""

    figures: Mapping[str, PageFigure] = field(default_factory=dict)
    galleries: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


def _places(cells: Sequence[str]) -> list[int]:
    numbers = [re.match(r"-?[\d.]*\d", cell.replace(",", "")) for cell in cells]
    if all(found or cell == "–" for found, cell in zip(numbers, cells, strict=True)):
        order = sorted(range(len(cells)), key=lambda i: -float(found[0]) if (found := numbers[i]) else float("inf"))
    else:
        order = sorted(range(len(cells)), key=lambda i: (cells[i] == "–", cells[i]))
    return [order.index(i) for i in range(len(cells))]


def render_page(head: Head, sections: Sequence[Section], made: Made) -> str:
    """The page of a study."""
    return template("study.html").render(head=head, sections=sections, made=made)


def figure(
    draw: Draw,
    content: Any,
    alt: str,
    caption: str = "",
    kind: str = "svg",
    file: str = "figure",
    values: Sequence[Sequence[Any]] = (),
    wide: bool = False,
) -> PageFigure:
    """A figure drawn for both themes; `kind` is svg, or png for pictures of faces."""
    return PageFigure(both_themes(draw, content, kind), alt, caption, file, values, wide)


def png(draw: Draw, content: Any) -> bytes:
    """The figure as a PNG file on white."""
    return drawn(draw, content, "light", "png")
