"""What `python -m ferlab.robustness` writes: robustness.json."""

from dataclasses import dataclass

from ferlab.studies.study_record import MeasuredAccuracy


@dataclass(frozen=True)
class Corruption:
    """Accuracy by strength, its mean, and how far the mean lies below the clean accuracy."""

    by_strength: dict[int, MeasuredAccuracy]
    mean: float
    drop: float


@dataclass(frozen=True)
class RobustnessRecord:
    """Accuracy on clean and on corrupted faces, ratios in 0..1.

    Attributes:
        recall: of each expression on clean faces; None for an expression without a face.
        corruptions: by name; empty where the clean accuracy alone was wanted, and then the means are None.
        relative: share of the clean accuracy that is left on average.
        seconds: of the whole study.
    """

    clean: MeasuredAccuracy
    recall: dict[str, float | None]
    corruptions: dict[str, Corruption]
    mean_corruption_accuracy: float | None
    mean_drop: float | None
    relative: float | None
    seconds: float
