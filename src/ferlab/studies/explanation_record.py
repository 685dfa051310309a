"""What `python -m ferlab.explain` writes: explain.json."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % bootstrap interval over faces."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class ExplainedFace:
    """Row in the split, label, and the expression whose logit is explained."""

    row: int
    label: str
    explained: str


@dataclass(frozen=True)
class Densities:
    """Share of attribution over share of area by region, over the n faces of one expression."""

    n: int
    brows: Interval
    eyes: Interval
    nose: Interval
    mouth: Interval
    rest: Interval


@dataclass(frozen=True)
class Claim:
    """What one method says of a claim: density of the regions `named` minus that of the `others`, and the verdict."""

    named: list[str]
    others: list[str]
    n: int
    difference: Interval | None
    verdict: str


@dataclass(frozen=True)
class Check:
    """Mean areas under the deletion and the insertion curve; random maps are compared with nothing.

    Attributes:
        against: the random maps of the same grain.
        difference: of `deletion` and `insertion`, the method's area minus that of the random maps.
    """

    deletion: float
    insertion: float
    against: str | None = None
    difference: dict[str, Interval] | None = None
    better_than_random: bool | None = None


@dataclass(frozen=True)
class Sanity:
    """Rank correlation with the trained net's map, by the share of layers that have random weights."""

    random_share: list[float]
    correlation: list[float]
    passes: bool


@dataclass(frozen=True)
class ExplanationRecord:
    """Attribution maps of some faces, by region, with the checks of each method.

    Attributes:
        settings: of the command.
        left_out_constant: number of faces of one grey.
        areas: region -> share of the face.
        regions: method -> expression -> densities; None without a face.
        claims: expression -> method -> what it says of the poster's claim.
        checks: method or random map -> deletion and insertion.
        sanity: method -> weight randomisation.
        seconds: by part of the work.
        peak_memory_mb: of the process, in MiB.
    """

    settings: dict[str, Any]
    left_out_constant: int
    faces: list[ExplainedFace]
    areas: dict[str, float]
    regions: dict[str, dict[str, Densities | None]]
    claims: dict[str, dict[str, Claim]]
    checks: dict[str, Check]
    sanity: dict[str, Sanity]
    seconds: dict[str, float]
    peak_memory_mb: float

    @property
    def sound(self) -> list[str]:
        """The methods that pass both checks."""
        return [m for m in self.regions if self.checks[m].better_than_random and self.sanity[m].passes]
