"""The index of all pages in a folder of runs: a ranking, and each run's pages. What writes a page rewrites it."""

import contextlib
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.pages import links
from ferlab.pages.links import GROUPS, Link
from ferlab.pages.page import Head, template
from ferlab.pages.sections import Section
from ferlab.reporting import markdown, ranking
from ferlab.reporting.markdown import Report
from ferlab.reporting.reports import homes, load_report

log = logging.getLogger(__name__)
_OURS = b'<p class="soft">ferlab index'  # as page.html writes it
SUMMARY = "summary.html"  # beside the index, where `ferlab.summarise` has made it


def refresh_runs(patterns: str | Sequence[str]) -> None:
    """As `refresh`, of the folders of what was typed after runs=."""
    typed = [patterns] if isinstance(patterns, str) else patterns
    refresh(home for pattern in typed for home in homes(pattern))


def refresh(homes: Iterable[Path]) -> None:
    """Rewrite the index of each folder that holds these directories; what stands in its way is a warning."""
    for folder in dict.fromkeys(map(links.site_of, homes)):
        try:
            write(folder)
        except FerlabError as error:
            log.warning("%s was not written: %s", folder / links.PAGE, error)


def write(folder: Path) -> Path:
    """Write the index of a folder of runs; returns its path.

    Raises:
        FerlabError: another page has its name; the disk refuses (full, read-only).
    """
    index = folder / links.PAGE
    if index.is_file() and _OURS not in index.read_bytes():
        raise FerlabError(f"{index} is another page than the index of runs; rename it")
    there = [home for home in _homes(folder) if links.pages_of(home)]
    reports = [report for home in there for report in _reports(home)]
    anchors = {home.name: f"#{links.anchor(home)}" for home in there}
    groups = markdown.by_labels(reports)
    summary = folder / SUMMARY
    head = Head(
        "index",
        [f"{len(there)} runs, {len(groups)} data set{'s' if len(groups) != 1 else ''}"],
        "All runs",
        [ranking.best(name, group) for name, group in groups.items()],
        [Link("Summary of all runs", SUMMARY)] if summary.is_file() else [],
    )
    sections = [
        Section(f"Ranking on {name}", "", [ranking.ranked(group, "val", "none", anchors)])
        for name, group in groups.items()
    ]
    pages = [
        (links.anchor(home), home.name, [Link(name, links.between(index, path)) for name, path in links.pages_of(home)])
        for home in there
    ]
    html = template("site.html").render(head=head, sections=sections, pages=pages, made=None)
    files.write_text(index, html)
    return index


def _homes(folder: Path) -> list[Path]:
    groups = [folder, *(folder / group for group in GROUPS)]
    return [path for group in groups if group.is_dir() for path in sorted(group.iterdir()) if path.is_dir()]


def _reports(home: Path) -> list[Report]:
    """The reports of one directory; those that are damaged are left out."""
    found = []
    for path in sorted(home.glob(f"{links.REPORTS}/*/report.json")):
        with contextlib.suppress(FerlabError):
            found.append(load_report(path))
    return found
