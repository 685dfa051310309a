"""results/ensembles: members.json of each ensemble that was chosen on val, and what each was chosen from."""

import csv
import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path, PurePath

from ferlab.runs import directory

FOLDER = "ensembles"
TABLES = ("choices.csv", "members.csv", "pairs.csv")  # as ferlab.ensemble writes them, one an ensemble


def files(into: Path, chosen: Mapping[str, Path]) -> dict[str, bytes]:
    """Name in `into` -> content of each file that changes when ensembles are published.

    Args:
        chosen: name -> directory of each ensemble.
    """
    found = {f"{FOLDER}/{name}/{directory.MEMBERS}": _members(folder) for name, folder in chosen.items()}
    for table in TABLES:
        new = [{"ensemble": name, **row} for name, folder in chosen.items() for row in _rows(folder / table)]
        kept = [row for row in _rows(into / FOLDER / table) if row["ensemble"] not in chosen]
        if new:
            found[f"{FOLDER}/{table}"] = _text([*kept, *new])
    return found


def _members(folder: Path) -> bytes:
    """members.json, in which members lie in outputs; their checksums say which they are."""
    content = json.loads((folder / directory.MEMBERS).read_text(encoding="utf-8"))
    for member in (*content["members"], *content["specialists"]):
        member["path"] = PurePath("outputs", PurePath(member["path"]).name).as_posix()
    return json.dumps(content, indent=2).encode() + b"\n"


def _rows(file: Path) -> list[dict[str, str]]:
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _text(rows: list[dict[str, str]]) -> bytes:
    out = StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(column for row in rows for column in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()
