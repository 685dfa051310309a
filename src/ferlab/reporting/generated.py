"""The tables of README.md and results/README.md, from what was published; conf/publish.yaml declares them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ferlab.errors import FerlabError
from ferlab.reporting import markdown, model_figures, recipes, reports
from ferlab.reporting.markdown import Report
from ferlab.reporting.table2_markdown import poster_table

Table = Mapping[str, Any]


def write(tables: Sequence[Table]) -> list[Path]:
    """Write each table into its Markdown file, and return the files.

    Args:
        tables: of each `into` (a file), `name` (as in <!-- table:NAME -->), `layout` and `runs`; what else they hold is
            said in conf/publish.yaml.

    Raises:
        FerlabError: no such layout, runs or views, or a file without the two marks.
    """
    for table in tables:
        layout = table.get("layout", "list")
        if layout not in _LAYOUTS:
            raise FerlabError(f"the layout of table {table['name']} is {layout!r}; choose {', '.join(_LAYOUTS)}")
        markdown.splice(table["into"], table["name"], _LAYOUTS[layout](table, _reports(table)))
    return list(dict.fromkeys(Path(table["into"]) for table in tables))


def _reports(table: Table) -> list[Report]:
    found = reports.read(table["runs"]) if "runs" in table else []
    if chosen := table.get("recipes"):
        found = recipes.reports_of(recipes.listed(found, chosen))
    return [r for r in found if r["tta"] in (table.get("columns") or (r["tta"],))]


def _list(table: Table, found: Sequence[Report]) -> str:
    return reports.compare(found, None, table["split"], table["tta"])


def _table2(table: Table, found: Sequence[Report]) -> str:
    return poster_table(found, table["table2"], table["split"], table["tta"])


def _short(table: Table, found: Sequence[Report]) -> str:
    return recipes.table(recipes.listed(found, table["recipes"]), table["recipes"]["views"])


def _models(table: Table, found: Sequence[Report]) -> str:
    return model_figures.table()


_LAYOUTS: dict[str, Callable[[Table, Sequence[Report]], str]] = {
    "list": _list,
    "table2": _table2,
    "short": _short,
    "models": _models,
}
