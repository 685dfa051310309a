"""What the records of all kinds of studies share: an accuracy with its interval, and how JSON becomes a record."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ferlab.errors import FerlabError
from ferlab.pages.words import ends, percent

R = TypeVar("R")


@dataclass(frozen=True)
class MeasuredAccuracy:
    """How many of n faces are right. Without a face, accuracy and its 95 % interval (Wilson's) are None."""

    n: int
    correct: int
    accuracy: float | None
    interval95: list[float] | None

    def words(self) -> str:
        """In percent, with the interval and the number of faces."""
        return f"{percent(self.accuracy)} ({ends(self.interval95)}) of {self.n}" if self.n else "none of 0"


def read(record: type[R], content: Mapping[str, Any], file: str, command: str) -> R:
    """The dataclass `record` of a JSON object. Its keys are the fields; it may hold others, as those of provenance.

    Args:
        file: name of the JSON file, for the message.
        command: of ferlab, which writes such files.

    Raises:
        FerlabError: a key is missing or of another type.
    """
    from pydantic import TypeAdapter, ValidationError  # 0.1 s, which only what reads a study should wait for

    try:
        return TypeAdapter(record).validate_python(content)
    except ValidationError as error:
        places: dict[bool, list[str]] = {True: [], False: []}
        for found in error.errors():
            places[found["type"] == "missing"].append(".".join(map(str, found["loc"])))
    lacks, wrong = (", ".join(places[missing]) for missing in (True, False))
    what = " and ".join([f"lacks {lacks}"] * bool(lacks) + [f"has another type of {wrong}"] * bool(wrong))
    raise FerlabError(f"{file} {what}; write it again with python -m ferlab.{command}")
