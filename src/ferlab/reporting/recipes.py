"""Reports -> one row a recipe, file or ensemble: which of them a short list has, in which order, and in which views.

No name is decided here: conf/publish.yaml says which rows are left out.
"""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ferlab.reporting import markdown
from ferlab.reporting.markdown import Report

KINDS = ("net", "file", "ensemble")  # in the order of the rows
FOREIGN = "foreign"  # a file that ferlab did not export: measured here, and nobody's here
SINGLE = "none"  # the set of views that is the face alone


@dataclass(frozen=True)
class Recipe:
    """A row.

    Attributes:
        name: of the recipe without seeds, of the file or of the ensemble.
        kind: one of KINDS, or FOREIGN.
        reports: by (split, set of views), one a seed.
    """

    name: str
    kind: str
    reports: Mapping[tuple[str, str], Sequence[Report]]

    @property
    def any_report(self) -> Report:
        return next(iter(self.reports.values()))[0]

    @property
    def runs(self) -> int:
        """Number of trainings that share the row."""
        return len({str(r["name"]) for found in self.reports.values() for r in found})

    @property
    def title(self) -> str:
        """The name, with the precision of a file and the number of nets in an ensemble."""
        one = self.any_report
        if self.kind == "file":
            return f"{self.name}, {one['export']['precision']} file"
        return f"{self.name}, {len(one['members'])} nets" if self.kind == "ensemble" else self.name

    def of(self, split: str, views: str) -> Sequence[Report]:
        """Reports of a split in one set of views, one a seed; none where it was not measured."""
        return self.reports.get((split, views), ())

    def several(self, split: str, views: str) -> str | None:
        """Its set of several views on a split: `views` if it was measured in them, else its largest, else None."""
        measured = sorted((key for key in self.reports if key[0] == split and key[1] != SINGLE), key=markdown.order)
        return views if (split, views) in measured else measured[-1][1] if measured else None

    def best_known(self, split: str, views: str) -> tuple[str, Sequence[Report]]:
        """The set of views that `several` gives, else the single view, and the reports of a split in it."""
        found = self.several(split, views) or SINGLE
        return found, self.of(split, found)


def rows_of(reports: Sequence[Report]) -> list[Recipe]:
    """Every row of contents of report.json; those of other faces than most reports of their split are left out."""
    faces = {split: _most(r["faces_sha256"] for r in reports if r["split"] == split) for split in ("val", "test")}
    reports = [r for r in reports if r["faces_sha256"] == faces[r["split"]]]
    return [Recipe(name, _kind(next(iter(row.values()))[0]), row) for name, row in markdown.by_recipe(reports).items()]


def listed(reports: Sequence[Report], recipes: Mapping[str, Any]) -> list[Recipe]:
    """The rows of a short list: nets of enough seeds, all files and all ensembles, each by its accuracy on val.

    Args:
        reports: as for `rows_of`.
        recipes: `seeds`, trainings that a net needs, `without`, globs of the rows that are left out, and `views`, those
            in which accuracies on val are compared.
    """
    kept = [
        row
        for row in rows_of(reports)
        if row.kind in KINDS
        and (row.kind != "net" or row.runs >= recipes["seeds"])
        and not any(fnmatchcase(row.name, pattern) for pattern in recipes["without"])
        and any(split == "test" for split, _ in row.reports)
    ]
    return sorted(kept, key=lambda row: (KINDS.index(row.kind), _on_val(row, recipes["views"]), row.name))


def reports_of(rows: Sequence[Recipe]) -> list[Report]:
    """All reports of rows, in their order."""
    return [r for row in rows for found in row.reports.values() for r in found]


def table(rows: Sequence[Recipe], views: str) -> str:
    """The short table, as Markdown: a row each, its accuracies in a single view and, on test, in `views`."""
    val, test = (markdown.title_of(reports_of(rows), split) for split in ("val", "test"))
    head = ["recipe", f"{val}, single view", f"{test}, single view", f"{test}, {views}"]
    body = [
        [row.title, *(markdown.accuracy(row.of(split, SINGLE)) for split in ("val", "test")), _in_views(row, views)]
        for row in rows
    ]
    return markdown.markdown(head, body) + "\n\n" + CAPTION.format(views=views, val=val)


CAPTION = (
    "Percent, with 95 % intervals (Wilson) over the choice of faces; several seeds as mean ± sample standard deviation "
    "with the mean of their intervals. Other views than {views} are named. Order: nets, then ensembles, by "
    "accuracy on {val}."
)


def _in_views(row: Recipe, views: str) -> str:
    found = row.several("test", views)
    if found is None:
        return "–"
    return markdown.accuracy(row.of("test", found)) + (f", {found}" if found != views else "")


def _on_val(row: Recipe, views: str) -> float:
    known = [r["accuracy"] for r in row.best_known("val", views)[1]]
    return statistics.mean(known) if known else 0.0


def _kind(report: Report) -> str:
    if "export" in report:
        return FOREIGN if report.get("commit") is None else "file"
    return "ensemble" if len(report["members"]) > 1 or "ensemble_sha256" in report else "net"


def _most(values: Any) -> Any:
    return max(Counter(values).items(), key=lambda item: item[1], default=(None, 0))[0]
