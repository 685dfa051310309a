"""`python -m ferlab.prepare`: raw data in, stores, a table of what is in them and a data card each out."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ferlab.cli import Config, command
from ferlab.expressions import EXPRESSIONS


def show(card: Mapping[str, Any], console: Console) -> None:
    """Print one card: classes by split, then where the data are not what they seem."""
    table = Table(title=f"{card['name']}: {card['faces']:,} faces", title_justify="left")
    table.add_column("")
    for name in (*EXPRESSIONS, "all"):
        table.add_column(name, justify="right")
    for split, counts in card["counts"].items():
        table.add_row(split, *(f"{n:,}" for n in (*counts.values(), sum(counts.values()))))
    console.print(table)
    d = card["duplicates"]
    lines = [
        f"subjects: {card['subjects'] or 'unknown'}",
        f"identical faces: {d['groups']:,} groups, {d['redundant']:,} redundant, {d['groups_across']:,} groups across "
        f"splits; {', '.join(f'{n:,} of {name}' for name, n in d['twins'].items())}",
        f"contradictory labels: {d['contradictory']:,} groups; constant images: {d['constant']:,}; "
        f"mirrored pairs across splits: {d['mirrored_across']:,}",
    ]
    if d["near"]:
        lines.append(
            "copies across splits, also mirrored, re-encoded or retouched: "
            + ", ".join(f"{n:,} {name}" for name, n in d["near"].items())
        )
    if "in_val_or_test" in card:
        twins = card["in_val_or_test"]
        lines.append(
            f"for training only; {sum(twins.values()):,} faces also stand in val or test and are left out: "
            + ", ".join(f"{n:,} {kind}" for kind, n in twins.items())
        )
    if "md5" in card:
        same = (
            "as published"
            if card["md5"]["found"] == card["md5"]["published"]
            else "published " + card["md5"]["published"]
        )
        lines.append(f"md5 of {card['md5']['file']}: {card['md5']['found']}, {same}")
    lines += map(escape, card["left_out"])  # which hold names of files
    lines.append(f"raw: {card['raw_files']:,} files, {card['raw_bytes']:,} bytes, sha256 {card['raw_sha256']}")
    if card["build_s"] is not None:
        lines.append(f"built in {card['build_s']:.1f} s")
    console.print("\n".join(lines) + "\n", highlight=False, soft_wrap=True)


@command("prepare")
def main(config: Config) -> None:
    from ferlab.data.preparing import prepare

    console = Console()
    for card in prepare(config):
        show(card, console)


if __name__ == "__main__":
    main()
