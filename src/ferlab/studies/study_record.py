"""What the records of all kinds of studies share: an accuracy with its interval."""

from dataclasses import dataclass

from ferlab.pages.words import ends, percent


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
