"""`python -m ferlab.ensemble`: finished runs in, an ensemble chosen on val and frozen to a file out.

It uses val alone. `ferlab.evaluate`, which alone opens a test split, measures what is frozen.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ferlab.cli import Config, command
from ferlab.commandline import typed

if TYPE_CHECKING:
    from ferlab.ensembling.choosing import Choice


def _print(folder: Path, choices: Sequence["Choice"]) -> None:
    from ferlab.ensembling import named
    from ferlab.ensembling.search import figures_of

    console = Console(soft_wrap=True, highlight=False)
    table = Table("views", "tempered", "method", "members", "val", "held out", "optimism")
    for c in choices[:12]:
        figures = [f"{100 * figure:.2f}" for figure in figures_of(c)]
        table.add_row(c.view_set.title, c.temperature, c.method, str(int((c.weights > 0).sum())), *figures)
    console.print(table)
    if len(choices) > 12:
        console.print(f"  the other {len(choices) - 12} stand in {folder / 'choices.csv'}", style="dim")
    console.print(
        "  held out: each face predicted by what was chosen without it; the best of many is still optimistic",
        style="dim",
    )
    chosen = named.as_one(str(folder)).choice or {}
    for one in chosen["members"]:
        tempered = f", temperature {one['temperature']:.2f}" if one["temperature"] != 1 else ""
        console.print(f"  {one['weight']:.3f}  {one['name']}{tempered}")
    for one in chosen["specialists"]:
        gain = f"{one['gained']} right for {one['lost']} wrong, p {one['p_holm']:.2g}"
        console.print(f"  {'/'.join(one['pair'])}  {one['name']}: {gain}")
    console.print(f"frozen: {folder}; next: python -m ferlab.evaluate {typed('runs', folder)} split=test", markup=False)


@command("ensemble")
def main(config: Config) -> None:
    from ferlab.ensembling.search import choose

    folder, choices = choose(config)
    _print(folder, choices)


if __name__ == "__main__":
    main()
