"""`python -m ferlab.compare`: written reports in, Markdown tables and McNemar's tests out. No model is run."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ferlab import grid, grid_tables
from ferlab.cli import command, plain
from ferlab.comparison import compare, read
from ferlab.errors import FerlabError

__all__ = ["compare", "read", "splice", "table2"]


def table2(reports: Sequence[dict[str, Any]], conf: dict[str, Any], split: str | None, tta: str | None) -> str:
    """The poster's Table 2 over reports that `read` gave, as Markdown; `conf` is table2 of conf/compare.yaml.

    Raises:
        FerlabError: as `grid.arrange`.
    """
    axes = grid.Axes(conf["models"], conf["data"], conf["class_weights"], conf["rows"])
    return grid_tables.render(grid.arrange(reports, axes, split, tta))


def splice(path: str | Path, name: str, text: str) -> None:
    """Put `text` between `<!-- table:NAME -->` and the next `<!-- /table -->` of a file.

    Raises:
        FerlabError: no such file, or not these two marks once each.
    """
    path, start, end = Path(path), f"<!-- table:{name} -->", "<!-- /table -->"
    if not path.is_file():
        raise FerlabError(f"into={str(path)!r} is no file; make it with the lines {start} and {end}")
    content = path.read_text(encoding="utf-8")
    before, found, rest = content.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed or start in rest:
        raise FerlabError(f"expected {start} once and {end} after it in {path}; put these two lines where it belongs")
    _write(path, f"{before}{start}\n{text}\n{end}{after}")


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and only where something changes: what is as before keeps its time."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


@command("compare")
def main(cfg: DictConfig) -> None:
    config = plain(cfg)
    if config["into"] and not config["name"]:
        raise FerlabError("into is given without name; type name=NAME as in <!-- table:NAME -->")
    if config["layout"] not in ("list", "table2"):
        raise FerlabError(f"layout is {config['layout']!r}; choose list or table2")
    if config["layout"] == "table2" and config["against"]:
        raise FerlabError("against is for layout=list: layout=table2 tests its rows; leave out one of them")
    reports, split, tta = read(config["runs"], config["reports"]), config["split"], config["tta"]
    if config["layout"] == "table2":
        markdown = table2(reports, config["table2"], split, tta)
    else:
        markdown = compare(reports, config["against"], split, tta)
    print(markdown)
    if config["out"]:
        Path(config["out"]).parent.mkdir(parents=True, exist_ok=True)
        _write(Path(config["out"]), markdown + "\n")
    if config["into"]:
        splice(config["into"], config["name"], markdown)


if __name__ == "__main__":
    main()
