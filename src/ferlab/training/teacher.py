"""Runs and training faces in, the teacher's probabilities out: computed once for each face, then kept.

Hinton, Vinyals & Dean 2015, "Distilling the Knowledge in a Neural Network" (arXiv:1503.02531). The teacher gets each
face unaugmented, in a fixed view set. Its probabilities are a function of the pixels, by which `predictors.answers`
finds them. A consistent teacher (Beyer et al. 2022, arXiv:2106.05237) instead predicts in each training step, for the
augmented faces of the student; nothing of it is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ferlab.ensembling.named import as_one
from ferlab.ensembling.subject import Subject
from ferlab.errors import FerlabError
from ferlab.expressions import K, check_order
from ferlab.predictors import answers, predictor
from ferlab.predictors.predictor import device_of
from ferlab.predictors.views import SPACES, ViewSet, view_set

CONSISTENT = "consistent"
FROZEN = "frozen"


@dataclass(frozen=True)
class ConsistentTeacher:
    """Runs that predict in each step, for the faces as the student gets them.

    Attributes:
        provenance: `members` (run names), `weights_sha256`, `tta`, `expressions`; of a chosen ensemble also its sha256.
        subject, view_set: the runs, and the views in which they get a face.
    """

    provenance: Mapping[str, Any]
    subject: Subject
    view_set: ViewSet

    def predictor(self, temperature: float) -> nn.Module:
        """The runs at a temperature: faces [B,1,48,48] -> probabilities float32 [B,7]."""
        return predictor.Ensemble([self.subject.predictor(self.view_set)], temperatures=[temperature])


@dataclass(frozen=True)
class Teacher:
    """Runs whose probabilities for each face, in a fixed set of views, are kept; attributes as `ConsistentTeacher`.

    Attributes:
        folder: where probabilities are kept.
    """

    provenance: Mapping[str, Any]
    subject: Subject
    view_set: ViewSet
    folder: Path

    @property
    def file(self) -> Path:
        """The file of kept probabilities, which may not be there yet."""
        return self.subject.kept(self.view_set, self.folder).file

    def probabilities(self, pixels: np.ndarray, device: str, batch_size: int = 1024) -> np.ndarray:
        """Probabilities float32 [N,7] of faces uint8 [N,48,48]; only those of new faces are computed."""
        found = self.subject.ask(pixels, [self.view_set], self.folder, batch_size, device_of(device))
        return found[self.view_set.title]


@dataclass(frozen=True)
class KeptTeacher:
    """A file of kept probabilities without its runs; `provenance` as of `ConsistentTeacher`."""

    provenance: Mapping[str, Any]
    file: Path

    def probabilities(self, pixels: np.ndarray, device: str) -> np.ndarray:
        """Probabilities float32 [N,7] of faces uint8 [N,48,48].

        Raises:
            FerlabError: faces without kept probabilities.
        """
        known, wanted = answers.read(self.file)[0], answers.digests(pixels)
        if lacking := sum(digest not in known for digest in wanted):
            raise FerlabError(
                f"teacher={self.file} has no probabilities of {lacking} of {len(wanted)} training faces; "
                "give the runs that it was made from, or the data and options that it was made for"
            )
        return np.stack([known[digest] for digest in wanted]) if wanted else np.zeros((0, K), np.float32)


def find(teacher: str | Sequence[str], tta: str, folder: Path) -> Teacher | KeptTeacher | ConsistentTeacher:
    """The teacher that `teacher` names: runs (paths, globs, an ensemble's directory), or a file of kept probabilities.

    Args:
        tta: its view set; `frozen` for the one that an ensemble was chosen with, `consistent` for the faces of each
            training step as the student gets them.
        folder: where probabilities are kept.

    Raises:
        FerlabError: no such runs or views, weights that are missing, or an order of classes that is not ours.
    """
    if isinstance(teacher, str) and teacher.endswith(".npz"):
        return _of_file(Path(teacher), tta)
    one = as_one(teacher, key="teacher")
    for run in one.runs:
        check_order(run.info.get("expressions"), f"teacher {run.path}")
    if tta == FROZEN and one.frozen_views:
        view_set = one.frozen_views
    else:
        view_set = _view_set("none" if tta == CONSISTENT else tta)
    provenance = {**one.kept(view_set, folder).provenance, "tta": tta}
    if tta == CONSISTENT:
        return ConsistentTeacher(provenance, one, view_set)
    return Teacher(provenance, one, view_set, folder)


def _of_file(file: Path, tta: str) -> KeptTeacher:
    if tta == CONSISTENT:
        raise FerlabError(f"teacher_tta={tta} predicts in each step, and a file cannot; give teacher=RUNS")
    if not file.is_file():
        raise FerlabError(f"teacher={file} is no file; give a teacher's .npz or runs, as teacher=outputs/NAME")
    provenance = answers.read(file)[1]
    check_order(provenance.get("expressions"), f"teacher {file}")
    if provenance.get("tta") != tta:
        raise FerlabError(f"teacher={file} was made with teacher_tta={provenance.get('tta')}, not {tta}; type that")
    return KeptTeacher(provenance, file)


def _view_set(tta: str) -> ViewSet:
    try:
        return view_set(tta, SPACES[0])
    except FerlabError as error:
        hint = "; frozen is for an ensemble that was chosen on val" if tta == FROZEN else ""
        raise FerlabError(f"teacher_{error}{hint}") from None
