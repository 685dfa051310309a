"""Numbers and values in words, as pages and messages show them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 6: "six", 8: "eight", 12: "twelve", 24: "twenty-four"}


def percent(value: float | None, digits: int = 1) -> str:
    """0.7321 -> `73.2`; a dash for what could not be measured."""
    return "–" if value is None else f"{100 * value:.{digits}f}"


def ends(interval: Sequence[float] | None) -> str:
    """(0.71, 0.74) -> `71.0–74.0`; a dash where there is none."""
    return "–".join(map(percent, interval)) if interval else "–"


def readable(value: Any) -> str:
    """A value of a report or a config in one line: lists with commas, lists in a list with semicolons."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {readable(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        deep = any(isinstance(inner, list | tuple | Mapping) for inner in value)
        return ("; " if deep else ", ").join(map(readable, value))
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """A nested config as (key, value) in words, the keys as they are typed: `model.input.size`."""
    for key, value in values.items():
        entries = value if isinstance(value, list) else []
        if entries and all(isinstance(inner, Mapping) for inner in entries):
            value = {str(i): inner for i, inner in enumerate(entries)}
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", readable(value)


def listed(value: Any) -> str:
    """A value, or several with commas: what the members of an ensemble do not share is one a member."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def number(n: int) -> str:
    """A count as a word where English writes one, as `twelve`, else in digits."""
    return _NUMBERS.get(n, f"{n:,}")


def views(title: str, n: int | None) -> str:
    """A view set in a sentence: `a single view`, or `twelve views (views12)`."""
    if title == "none":
        return "a single view"
    return f"{number(n)} views ({title})" if n else f"the views {title}"


def view(of: Sequence[Any]) -> str:
    """One view, (mirror, (x, y), zoom, degrees), in words: `mirrored, zoomed 1.1 times`."""
    mirror, (x, y), zoom, degrees = of
    parts = ["mirrored"] * bool(mirror)
    parts += [f"shifted {x:g}, {y:g} pixels"] if x or y else []
    parts += [f"zoomed {zoom:g} times"] if zoom != 1 else []
    parts += [f"turned {degrees:g} degrees"] if degrees else []
    return ", ".join(parts) or "as it is"
