"""Numbers and values in words, as pages and messages show them."""

import json
from collections.abc import Sequence
from typing import Any


def percent(value: float | None, digits: int = 1) -> str:
    """0.7321 -> `73.2`; a dash for what could not be measured."""
    return "–" if value is None else f"{100 * value:.{digits}f}"


def ends(interval: Sequence[float] | None) -> str:
    """(0.71, 0.74) -> `71.0–74.0`; a dash where there is none."""
    return "–".join(map(percent, interval)) if interval else "–"


def readable(value: Any) -> str:
    """A value of a report or a config in words; what is nested as JSON."""
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, dict | list) for v in value)):
        return json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def listed(value: Any) -> str:
    """A value, or several with commas: what the members of an ensemble do not share is one a member."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
