"""Files written whole or not at all, and their checksums."""

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ferlab.errors import FerlabError


def write_json(path: Path, content: dict[str, Any] | list[Any]) -> None:
    """Write a JSON file whole or not at all; raises as `write_config`."""
    write_text(path, json.dumps(content, indent=2, default=_number) + "\n")


def write_text(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text)
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise FerlabError(f"could not write {path} ({error}); free some space") from error


def _number(value: Any) -> Any:
    if isinstance(value, np.generic) or (hasattr(value, "item") and getattr(value, "ndim", 1) == 0):  # a tensor too
        return value.item()
    raise TypeError(f"{type(value)} does not go into JSON")


def sha256_of(path: Path) -> str:
    """sha256 of a file as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
