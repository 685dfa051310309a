"""The table of kinds: all that the rest of the program knows of a kind of study, one row each.

Nothing here imports what measures: pages of many runs start without torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from ferlab.pages.sections import Section, Shown
from ferlab.runs import shapes
from ferlab.studies import calibration_page, explanation_page, mistakes_page, robustness_page
from ferlab.studies.calibration_record import CalibrationRecord
from ferlab.studies.explanation_record import ExplanationRecord
from ferlab.studies.mistakes_record import MistakesRecord
from ferlab.studies.robustness_record import RobustnessRecord

R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)


class Page(Protocol[R_contra]):
    """What the module of a kind's page holds.

    Attributes:
        PICTURES: files beside the JSON that the page shows -> what they show, in words.
    """

    PICTURES: dict[str, str]

    def findings(self, record: R_contra) -> list[str]:
        """Sentences on top of the page."""

    def sections(self, record: R_contra, shown: Shown) -> list[Section]:
        """The page, without pictures and galleries where `shown` has none."""

    def compared(self, records: Sequence[R_contra]) -> tuple[list[str], list[list[str]]]:
        """Head and a row for each record, side by side with other runs."""

    def card(self, record: R_contra) -> list[str]:
        """Sentences for a model card; the first follows the name of the data."""


@dataclass(frozen=True)
class Kind(Generic[R]):
    """One kind of study.

    Attributes:
        name: of the folder and the JSON file.
        command: of ferlab, which makes one.
        title: heading on pages.
        record: what the JSON file holds beside provenance.
        page: how a record is shown.
        of_ensembles: whether an ensemble can have one; if not, its members have one each.
    """

    name: str
    command: str
    title: str
    record: type[R]
    page: Page[R]
    of_ensembles: bool = True

    def read(self, content: Mapping[str, Any], file: str) -> R:
        """The record in a study's JSON object; raises as `shapes.read`."""
        return shapes.read(self.record, content, file, f"write it again with python -m ferlab.{self.command}")


_ROWS: tuple[Kind[Any], ...] = (
    Kind("calibration", "calibrate", "Calibration", CalibrationRecord, calibration_page),
    Kind("robustness", "robustness", "Robustness", RobustnessRecord, robustness_page),
    Kind("analysis", "analyse", "Sources of error", MistakesRecord, mistakes_page),
    Kind("explain", "explain", "Attribution maps", ExplanationRecord, explanation_page, of_ensembles=False),
)
KINDS: Mapping[str, Kind[Any]] = {kind.name: kind for kind in _ROWS}
