"""Options of a command as words that Hydra reads."""

from collections.abc import Mapping
from typing import Any

from ferlab.commandline import text


def words(options: Mapping[str, Any]) -> list[str]:
    """`{seed: 0, tta: [none, flip]}` as `seed=0` and `tta=[none,flip]`; what a list has twice stands there once."""
    return [f"{key}={_value(value)}" for key, value in options.items()]


def flat(node: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """`{trainer: {max_epochs: 1}}` as `{trainer.max_epochs: 1}`."""
    found: dict[str, Any] = {}
    for key, value in node.items():
        found |= flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return found


def listed(value: Any) -> list[Any]:
    """A list as it is, None as an empty one, anything else as a list of it."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(dict.fromkeys(map(_value, value)))}]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value) if isinstance(value, int | float) else text(str(value))
