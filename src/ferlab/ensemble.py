"""`python -m ferlab.ensemble`: finished runs in, an ensemble chosen on val and frozen to a file out.

Only val is asked here. What is frozen is measured by `ferlab.evaluate`, which alone opens a test split.
"""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from ferlab.cli import command
from ferlab.config import plain
from ferlab.ensembling import choosing, subject
from ferlab.ensembling.search import choose, figures_of


def _say(folder: Path, choices: Sequence[choosing.Choice]) -> None:
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
    one = subject.as_one(str(folder))
    for run, weight, temperature in zip(one.members, one.weights, one.temperatures, strict=True):
        console.print(f"  {weight:.3f}  {run.name}" + (f", temperature {temperature:.2f}" if temperature != 1 else ""))
    for run, kept in zip(one.specialists, one.choice["specialists"], strict=True):
        gain = f"{kept['gained']} right for {kept['lost']} wrong, p {kept['p_holm']:.2g}"
        console.print(f"  {'/'.join(kept['pair'])}  {run.name}: {gain}")
    console.print(f"frozen: {folder}; next: python -m ferlab.evaluate runs={folder} split=test")


@command("ensemble")
def main(cfg: DictConfig) -> None:
    folder, choices = choose(plain(cfg))
    _say(folder, choices)


if __name__ == "__main__":
    main()
