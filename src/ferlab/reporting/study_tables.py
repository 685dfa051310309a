"""Records of several runs -> what their studies found, side by side, and what to type where one is missing."""

from collections.abc import Sequence
from typing import Any

from ferlab.commandline import typed
from ferlab.pages.sections import PageTable, Section
from ferlab.reporting.records import Record
from ferlab.studies.kinds import KINDS, Kind


def compared(records: Sequence[Record]) -> list[Section]:
    """A section for each kind of study with a row a study, and the command for the runs that have none."""
    return [_compared(kind, records) for kind in KINDS.values()]


def _compared(kind: Kind[Any], records: Sequence[Record]) -> Section:
    studies = [(record.name, study) for record in records for study in record.of_kind(kind.name)]
    head, cells = kind.page.compared([study.record for _, study in studies])
    rows = [[name, study.title, *row] for (name, study), row in zip(studies, cells, strict=True)]
    without = [record for record in records if record.lacks(kind)]
    text = f"Not measured for {len(without)} of the {len(records)}; this measures what is missing:" if without else ""
    commands = [f"python -m ferlab.{kind.command} {named(without)}"] if without else []
    tables = [PageTable(["run", "on", *head], rows)] if rows else []
    return Section(f"{kind.title}, compared", text, tables, commands=commands)


def evaluate(records: Sequence[Record], split: str, tta: str) -> list[str]:
    """The command that reports on these; none where there are none."""
    files = [typed("weights", f"{record.name}.onnx") for record in records if record.exported]
    own = [f"python -m ferlab.evaluate {file} split={split}" for file in files]
    own += [f"python -m ferlab.evaluate {named([r])} split={split}" for r in records if r.frozen]  # with their views
    others = [record for record in records if not (record.exported or record.frozen)]
    if not others:
        return own
    each = " each=true" if len(others) > 1 else ""
    return [f"python -m ferlab.evaluate {named(others)} split={split} tta={tta}{each}", *own]


def named(records: Sequence[Record]) -> str:
    """The runs as they are typed."""
    return records[0].runs if len(records) == 1 else typed("runs", [record.typed for record in records])
