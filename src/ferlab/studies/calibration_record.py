"""What `python -m ferlab.calibrate` writes: calibration.json, and what it fitted on val for other faces."""

from dataclasses import dataclass

from ferlab.studies.study_record import MeasuredAccuracy


@dataclass(frozen=True)
class Bin:
    """One of equal bins of confidence; an empty bin has no means."""

    up_to: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Probabilities:
    """How good probabilities are: ratios in 0..1, the log-loss in nats, the Brier score in 0..2."""

    accuracy: float
    ece: float
    nll: float
    brier: float
    reliability: list[Bin]


@dataclass(frozen=True)
class AtCoverage(MeasuredAccuracy):
    """Accuracy of the most confident share of faces, and the confidence of the last of them."""

    coverage: float
    threshold: float | None


@dataclass(frozen=True)
class Abstention(MeasuredAccuracy):
    """Accuracy of the faces that get a label: those from `threshold` on, a share `coverage` of all."""

    wanted_accuracy: float
    threshold: float | None
    coverage: float


@dataclass(frozen=True)
class CalibrationRecord:
    """Probabilities before and after temperature scaling; `cross_fitted` where the temperature was fitted here."""

    temperature: float
    fitted_here: bool
    before: Probabilities
    after: Probabilities
    cross_fitted: Probabilities | None
    coverage: list[AtCoverage]
    abstention: Abstention


@dataclass(frozen=True)
class Fitted:
    """What was fitted on n faces of val, and for which weights in which views."""

    temperature: float
    threshold: float | None
    wanted_accuracy: float
    weights_sha256: list[str]
    faces_sha256: str
    data: str
    split: str
    tta: str
    evaluated_commit: str
    evaluated_at: str
    n: int
    label_system: str | None = None  # which older files do not state
