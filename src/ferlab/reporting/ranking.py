"""Reports -> tables that rank runs: the best on val first, a column for each setting in which they differ."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from ferlab.pages.sections import PageTable
from ferlab.pages.words import ends, flat, percent, readable, views
from ferlab.reporting import markdown
from ferlab.reporting.markdown import Report
from ferlab.runs.directory import WEIGHTS

COLUMNS = 6  # of settings at most; the caption names the others
FEW = 3  # that stand before the accuracies; more stand behind them
# Settings that say where and how a run was computed, or what its name, data and seed say already.
_ASIDE = (
    "name",
    "outputs",
    "seed",
    "wandb",
    "ckpt",
    "skip_finished",
    "num_workers",
    "compile",
    "strategy",
    "save_every",
)
_GROUPS = {"model": "name", "data": "name"}  # of these the name alone


def ranked(reports: Sequence[Report], split: str, tta: str, links: Mapping[str, str]) -> PageTable:
    """The rows that `markdown.cells` gives, the best on val first.

    Args:
        split, tta: of the columns beside the accuracies.
        links: name of a run -> where its pages are.
    """
    by_row = markdown.by_recipe(reports)
    head, body, others = cells(reports, *markdown.detail(reports, split, tta))
    order = sorted(by_row, key=lambda name: -_on_val(by_row[name], tta))
    rows = sorted(body, key=lambda row: order.index(row[0]))
    where = f"{markdown.title_of(reports, 'val')}, {markdown.view_title(tta)}, else in the first views of a row"
    caption = f"Ranked by accuracy on {where}. " if _val_there(reports) else ""
    caption += markdown.CAPTION + others
    found = {name: links[run] for name in order if (run := str(_first(by_row[name])["name"])) in links}
    return PageTable(head, rows, caption, found, sortable=len(rows) > 1)


def cells(reports: Sequence[Report], split: str, tta: str) -> tuple[list[str], list[list[str]], str]:
    """As `markdown.cells`, with the settings in which the rows differ, and a sentence on those without a column."""
    head, body = markdown.cells(reports, split, tta)
    columns, others = differing({name: _first(row) for name, row in markdown.by_recipe(reports).items()})
    at = 1 if len(columns) <= FEW else len(head)
    rows = [[*row[:at], *(column[row[0]] for column in columns.values()), *row[at:]] for row in body]
    rest = f" The runs also differ in {', '.join(others)}." if others else ""
    return [*head[:at], *columns, *head[at:]], rows, rest


def differing(rows: Mapping[str, Report]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The settings in which rows differ, as column -> row -> value, and the keys for which there is no room.

    A dash: the row's report holds no config, as that of an ensemble, or its config lacks the key.
    """
    settings = {name: _settings(report) for name, report in rows.items()}
    keys = dict.fromkeys(key for of in settings.values() for key in of)
    there = [of for of in settings.values() if of]
    found = [key for key in keys if len({of.get(key) for of in there}) > 1]
    found.sort(key=lambda key: "." in key)  # what is typed most stands at the top of a config
    columns = {key: {name: of.get(key, "–") for name, of in settings.items()} for key in found[:COLUMNS]}
    return columns, found[COLUMNS:]


def _short(value: str) -> str:
    """A setting as a cell: of the weights of another run that run's name."""
    path = PurePath(value)
    return path.parts[-3] if path.parts[-2:] == WEIGHTS and len(path.parts) > 2 else value


def _settings(report: Report) -> dict[str, str]:
    config = report.get("config")
    if not isinstance(config, Mapping) or len(report.get("members", [1])) > 1:
        return {}
    kept: dict[str, Any] = {key: value for key, value in config.items() if key not in _ASIDE}
    kept |= {key: kept[key].get(name) for key, name in _GROUPS.items() if isinstance(kept.get(key), Mapping)}
    if isinstance(policy := (kept.get("augment") or {}).get("policy"), list):
        kept["augment"] = ", ".join(str(step.get("_target_")).rsplit(".", 1)[-1] for step in policy)
    trainer = kept.pop("trainer", {})
    kept |= {key: trainer[key] for key in ("max_epochs", "gradient_clip_val") if trainer.get(key) is not None}
    return {key: _short(value or readable(None)) for key, value in flat(kept)}


def best(name: str, reports: Sequence[Report]) -> str:
    """A sentence on the best report on val of one label system."""
    on_val = [r for r in reports if r["split"] == "val" and r.get("accuracy") is not None]
    if not on_val:
        return f"{name}: no run has a report on val."
    top, runs = max(on_val, key=lambda r: r["accuracy"]), len({r["name"] for r in on_val})
    interval = f" ({ends(top['interval95'])})" if top.get("interval95") else ""
    return (
        f"{name}: the best of {runs} on val is {top['name']}, right for {percent(top['accuracy'])} %{interval} in "
        f"{views(top['tta'], len(top.get('views') or ()))}."
    )


def _first(row: Mapping[Any, Sequence[Report]]) -> Report:
    return next(iter(row.values()))[0]


def _on_val(row: Mapping[tuple[str, str], Sequence[Report]], tta: str) -> float:
    """Mean accuracy on val in these views, else in the first that there are; below all others without a report."""
    found = {views: of for (split, views), of in row.items() if split == "val"}
    of = found.get(tta) or next(iter(found.values()), ())
    known = [r["accuracy"] for r in of if r.get("accuracy") is not None]
    return statistics.mean(known) if known else -1.0


def _val_there(reports: Sequence[Report]) -> bool:
    return any(r["split"] == "val" for r in reports)
