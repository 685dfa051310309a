"""What `python -m ferlab.analyse` writes: analysis.json."""

from dataclasses import dataclass

from ferlab.studies.study_record import MeasuredAccuracy


@dataclass(frozen=True)
class Ambiguous(MeasuredAccuracy):
    """Also how often the label has one of the two highest probabilities."""

    right_in_two: int


@dataclass(frozen=True)
class Twins(MeasuredAccuracy):
    """Also how often the prediction is the label of the identical face."""

    answers_of_twin: int


@dataclass(frozen=True)
class LabelIssue:
    """A face whose label neither FER+'s majority nor the net gives."""

    face: str
    label: str
    ferplus_and_net: str
    confidence: float


@dataclass(frozen=True)
class MistakesRecord:
    """Accuracy by what else is known of a face.

    Attributes:
        ambiguous: faces whose two highest probabilities differ by at most `ambiguous_gap`; `clear`: all others.
        contradictory_twins: faces with an identical face of another label; None of another data set than the run's.
        ferplus: by what FER+'s votes say of the label; None without the votes.
        label_issues: the most confident first.
        errors: number of wrong predictions; of these `disputed_errors` have a label that FER+ disputes.
    """

    ambiguous_gap: float
    ambiguous: Ambiguous
    clear: MeasuredAccuracy
    contradictory_twins: Twins | None
    ferplus: dict[str, MeasuredAccuracy] | None
    label_issues: list[LabelIssue]
    errors: int
    disputed_errors: int | None = None
