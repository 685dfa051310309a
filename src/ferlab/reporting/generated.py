"""The tables of README.md and results/README.md, from what was published; conf/publish.yaml declares them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferlab.reporting import markdown, reports
from ferlab.reporting.table2_markdown import poster_table


def write(tables: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Write each table into its Markdown file, and return the files.

    Args:
        tables: of each `into` (a file), `name` (as in <!-- table:NAME -->), `runs`, and as `compare` has them `split`
            and `tta`; `columns` are the sets of views to show, `table2` the axes of the poster's grid.

    Raises:
        FerlabError: no such runs or views, or a file without the two marks.
    """
    for table in tables:
        found = [r for r in reports.read(table["runs"]) if r["tta"] in (table.get("columns") or (r["tta"],))]
        if axes := table.get("table2"):
            text = poster_table(found, axes, table["split"], table["tta"])
        else:
            text = reports.compare(found, None, table["split"], table["tta"])
        markdown.splice(table["into"], table["name"], text)
    return list(dict.fromkeys(Path(table["into"]) for table in tables))
