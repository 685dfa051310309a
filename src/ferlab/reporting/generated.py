"""Tables in Markdown files, and two pictures, from what was published; conf/publish.yaml lists them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.inference import catalogue
from ferlab.pages import figures
from ferlab.reporting import field, field_figure, markdown, model_figures, poster, recipes, reports
from ferlab.reporting.markdown import Report
from ferlab.reporting.table2_markdown import poster_table

Table = Mapping[str, Any]


def write(tables: Sequence[Table]) -> list[Path]:
    """Write each table into its Markdown file, and each picture into its own, and return the files.

    Args:
        tables: of each `into` (a file), `name` (as in <!-- table:NAME -->; a picture has none), `layout` and `runs`;
            conf/publish.yaml explains their other keys.

    Raises:
        FerlabError: no such layout, runs or views, or a file without the two marks.
    """
    for table in tables:
        layout, name = table.get("layout", "list"), table.get("name")
        if layout not in _LAYOUTS:
            raise FerlabError(f"the layout of {name or table['into']} is {layout!r}; choose {', '.join(_LAYOUTS)}")
        text = _LAYOUTS[layout](table, _reports(table))
        if name is None:
            files.write_text(Path(table["into"]), text)
        else:
            markdown.splice(table["into"], name, text)
    return list(dict.fromkeys(Path(table["into"]) for table in tables))


def _reports(table: Table) -> list[Report]:
    found = reports.read(table["runs"]) if "runs" in table else []
    if chosen := table.get("recipes"):
        found = recipes.reports_of(recipes.listed(found, chosen))
    return [r for r in found if r["tta"] in (table.get("columns") or (r["tta"],))]


def _list(table: Table, found: Sequence[Report]) -> str:
    return reports.compare(found, None, table["split"], table["tta"], settings=False)


def _table2(table: Table, found: Sequence[Report]) -> str:
    return poster_table(found, table["table2"], table["split"], table["tta"])


def _short(table: Table, found: Sequence[Report]) -> str:
    rows = [row for row in recipes.listed(found, table["recipes"]) if row.kind != "file"]  # which `models` lists
    return recipes.table(rows, table["recipes"]["views"])


def _models(table: Table, found: Sequence[Report]) -> str:
    return model_figures.table()


def _field(table: Table, found: Sequence[Report]) -> str:
    return field.table(_systems(table, found))


def _poster(table: Table, found: Sequence[Report]) -> str:
    return poster.table(_pairs(table, found))


def _poster_picture(table: Table, found: Sequence[Report]) -> str:
    return figures.drawn(poster.draw, _pairs(table, found), table["theme"], "svg").decode()


def _pairs(table: Table, found: Sequence[Report]) -> list[poster.Pair]:
    return poster.pairs(field.of_others(Path(table["field"])), recipes.rows_of(found), table["views"])


def _field_picture(table: Table, found: Sequence[Report]) -> str:
    speeds = [
        field_figure.Speed(row.name, row.test["accuracy"], row.speed["ms_per_face"])
        for row in catalogue.rows()
        if row.test and row.speed and row.labels == "fer2013"  # as all others in the picture
    ]
    content = field_figure.Content(_systems(table, found), speeds, table["narrow"])
    return figures.drawn(field_figure.draw, content, table["theme"], "svg").decode()


def _systems(table: Table, found: Sequence[Report]) -> list[field.System]:
    foreign = [row for row in recipes.rows_of(reports.read(table["runs"])) if row.kind == recipes.FOREIGN]
    rows, views = recipes.listed(found, table["recipes"]), table["recipes"]["views"]
    return field.listed(Path(table["field"]), rows, foreign, views)


_LAYOUTS: dict[str, Callable[[Table, Sequence[Report]], str]] = {
    "list": _list,
    "table2": _table2,
    "short": _short,
    "models": _models,
    "field": _field,
    "field_picture": _field_picture,
    "poster": _poster,
    "poster_picture": _poster_picture,
}
