"""Dataclasses of plain values <-> the rows of a CSV file, whose head names their fields."""

import csv
import types
from collections.abc import Sequence
from dataclasses import astuple, fields
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar, get_args

from ferlab.errors import FerlabError

Row = TypeVar("Row")


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
