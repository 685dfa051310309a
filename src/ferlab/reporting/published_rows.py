"""The rows of results/runs.csv, measurements.csv and curves.csv.gz, and how rows are written to a CSV file and read."""

import csv
import gzip
import types
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar, get_args

from ferlab.errors import FerlabError

Row = TypeVar("Row")


@dataclass(frozen=True)
class Run:
    """A row of runs.csv. What the members of an ensemble do not share is one value a member, as JSON.

    Attributes:
        sha256: of the weights; of a chosen ensemble that of members.json, of a soft vote that of its members' sorted
            checksums; empty where nothing was measured.
        kind: run, ensemble or export.
        recipe: the name without data, class weights and seed.
        weights_file: where the weights lie on the machine that measured them, from the repository's root.
    """

    name: str
    sha256: str
    kind: str
    recipe: str
    model: str
    data: str
    class_weights: str
    seed: str
    commit: str
    parameters: int | None
    epochs: int | None
    best_epoch: str | None
    seconds: float | None
    device: str | None
    val_accuracy: float | None
    weights_file: str


@dataclass(frozen=True)
class Measurement:
    """A row of measurements.csv: ratios in 0..1, intervals are Wilson's of 95 %.

    Attributes:
        views: title of the set of views; `space` is where they were averaged, None where the report did not say.
        looks, looks_at_data: earlier looks at the test split by these weights, and by anything.
        environment: key of conditions.json.
        more: JSON of what else the report says.
    """

    sha256: str
    name: str
    split: str
    views: str
    n: int
    correct: int
    accuracy: float | None
    low: float | None
    high: float | None
    without_twins_n: int
    without_twins_correct: int
    without_twins_accuracy: float | None
    without_twins_low: float | None
    without_twins_high: float | None
    macro_recall: float | None
    macro_f1: float | None
    disgust_missed: float | None
    ece: float
    nll: float
    brier: float
    looks: int | None
    looks_at_data: int | None
    space: str | None
    faces_sha256: str
    evaluated_commit: str
    evaluated_at: str
    evaluated_on: str
    environment: str
    more: str | None


@dataclass(frozen=True)
class Curves:
    """curves.csv.gz, read when a curve is asked for."""

    file: Path

    def of(self, sha256: str) -> list[dict[str, str]]:
        """Rows of metrics.csv of these weights; none where there are none."""
        return self._rows.get(sha256, [])

    @cached_property
    def _rows(self) -> dict[str, list[dict[str, str]]]:
        found: dict[str, list[dict[str, str]]] = {}
        if self.file.is_file():
            with gzip.open(self.file, "rt", encoding="utf-8", newline="") as lines:
                for row in csv.DictReader(lines):
                    sha256 = row.pop("sha256")
                    found.setdefault(sha256, []).append({key: cell for key, cell in row.items() if cell})
        return found


def text(rows: Sequence[Any], kind: type) -> str:
    """The file of `rows`, all of the dataclass `kind`; None is an empty cell, a float keeps all its digits."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(field.name for field in fields(kind))
    writer.writerows(["" if value is None else str(value) for value in astuple(row)] for row in rows)
    return out.getvalue()


def read(file: Path, kind: type[Row]) -> list[Row]:
    """The rows of a file that `text` gave; fields are str, int or float, or one of them or None.

    Raises:
        FerlabError: the file is missing, or lacks a column, or a cell is not of its field's type.
    """
    parsers = {field.name: _parser(field.type) for field in fields(kind)}  # type: ignore[arg-type]
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            return [
                kind(**{name: parse(row[name]) for name, parse in parsers.items()}) for row in csv.DictReader(lines)
            ]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise FerlabError(f"cannot read {file} ({error!r}); restore it from git, or publish the runs anew") from None


def _parser(kind: Any) -> Any:
    """What turns a cell into a value of that type."""
    if not isinstance(kind, types.UnionType):
        return kind
    plain = next(one for one in get_args(kind) if one is not types.NoneType)
    return lambda cell: plain(cell) if cell else None
