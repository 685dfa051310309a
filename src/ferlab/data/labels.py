"""Whose labels faces have: FER2013's, FER+'s, or another data set's. Numbers of two label systems do not compare."""

from collections.abc import Mapping
from typing import Any

OF_FER2013 = ("fer2013", "ferplus")  # the systems of FER2013's faces, whose layouts are called as they are


def labels_of(data: Mapping[str, Any]) -> str:
    """The label system of a data config: `fer2013` or `ferplus` by the layout of its main source, else its name.

    Auxiliary faces do not count: nothing is measured on them.
    """
    layout = next((source.get("layout") for source in data.get("sources", ())), None)
    return str(layout) if layout in OF_FER2013 else named(str(data.get("name")))


def named(data: str) -> str:
    """The label system of data of which only names are known, joined by ", ", as in reports that do not state it."""
    return ", ".join(dict.fromkeys(name.partition("+")[0] for name in data.split(", ")))
