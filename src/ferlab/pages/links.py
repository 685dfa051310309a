"""Where pages lie, and how they refer to each other: by relative links alone, so that a folder can be moved.

A page stands in HOME/KIND/PLACE/index.html, where HOME is the directory of a run, an ensemble or an exported model.
The index of all pages stands in the folder that holds these directories.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from ferlab.commandline import typed

PAGE = "index.html"
GROUPS = ("ensembles", "exported")  # folders in outputs whose folders are homes
REPORTS = "reports"
# In a home: of a run, and of an ensemble that was chosen.
_OF_HOME = (
    "config.yaml",
    "run.json",
    "members.json",
    "members.csv",
    "choices.csv",
    "pairs.csv",
    "error_correlation.png",
)


class Link(NamedTuple):
    """What is said, and where it leads."""

    text: str
    href: str


def site_of(home: Path) -> Path:
    """The folder whose index lists a run's, an ensemble's or an exported model's pages."""
    home = home.absolute()
    return home.parents[1] if home.parent.name in GROUPS else home.parent


def anchor(home: Path) -> str:
    """The id of a home's row in the index."""
    return f"run-{quote(home.name)}"


def between(page: Path, target: Path, fragment: str = "") -> str:
    """The relative address of a file, as it is written in a page."""
    path = Path(os.path.relpath(target, page.parent)).as_posix()
    return quote(path) + (f"#{fragment}" if fragment else "")


def pages_of(home: Path) -> list[tuple[str, Path]]:
    """The pages of a home, reports first, each with its title: `val, flip`, `calibration (val, flip)`."""
    found = sorted(home.glob(f"*/*/{PAGE}"), key=lambda path: (path.parts[-3] != REPORTS, path.parts[-3:]))
    return [(_called(path), path) for path in found]


def around(page: Path) -> list[Link]:
    """From a page to the index of all and to the other pages of its home."""
    page = page.absolute()
    home = page.parents[2]
    index = site_of(home) / PAGE
    links = [Link("All runs", between(page, index, anchor(home)))]
    return links + [Link(name, between(page, path)) for name, path in pages_of(home) if path != page]


def files_of(page: Path, names: Sequence[str]) -> list[Link]:
    """The files that belong to a page: those beside it, and those of its run or ensemble that are there."""
    home = page.absolute().parents[2]
    own = [*(page.with_name(name) for name in names), *(home / name for name in _OF_HOME)]
    logs = sorted(home.glob("log/*/metrics.csv"))[-1:]
    beside = [path for path in (*own, *logs) if path.is_file() or path.parent == page.parent]
    return [Link(path.name, between(page, path)) for path in beside] + [Link("the whole folder", between(page, home))]


def runs_word(home: Path) -> str:
    """What is typed to name a home, as `runs=outputs/NAME`, wherever its folder stands on this machine."""
    home = home.absolute()
    group = (home.parent.name,) if home.parent.name in GROUPS else ()
    return typed("runs", Path("outputs", *group, home.name))


def _called(page: Path) -> str:
    kind, place = page.parts[-3], page.parts[-2].replace("-", ", ", 1).replace(", none", ", single view")
    return place if kind == REPORTS else f"{kind} ({place})"
