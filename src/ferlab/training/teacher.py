"""Runs and training faces enter, the teacher's probabilities leave: computed once for each face, then kept.

Hinton, Vinyals & Dean 2015, "Distilling the Knowledge in a Neural Network" (arXiv:1503.02531). The teacher sees each
face unaugmented, in a fixed set of views, so its answer is a function of the pixels: kept answers are found by them,
whatever data set, order or machine they are asked for on. A consistent teacher (Beyer et al. 2022, arXiv:2106.05237)
is instead asked in each training step, for the augmented faces that the student sees; nothing of it is kept.
"""

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ferlab.ensembling import subject
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, K, check_order
from ferlab.predictors import predictor, views
from ferlab.predictors.predictor import predict
from ferlab.runs import directory

log = logging.getLogger(__name__)

CONSISTENT = "consistent"
_DIGEST = 16  # bytes; two of 10^9 faces agree by chance with a probability below 10^-20
_ARRAYS = ("faces", "probabilities", "about")


@dataclass(frozen=True)
class Teacher:
    """Kept answers: of which weights and views, and the file that they stand in.

    Attributes:
        about: `members` (run names), `weights_sha256`, `tta`, `expressions`; of a chosen ensemble also its sha256.
        vote: the runs that answer for further faces; None where only the file is there.
        seen, space: the views that they see and how those are averaged.
        file: where the answers stand; None of a consistent teacher.
    """

    about: dict[str, Any]
    vote: subject.Subject | None
    seen: tuple[views.View, ...]
    space: str
    file: Path | None

    @property
    def consistent(self) -> bool:
        return self.file is None

    def predictor(self, temperature: float) -> nn.Module:
        """The runs' vote at a temperature: faces [B,1,48,48] -> probabilities float32 [B,7]."""
        return predictor.Ensemble([self.vote.predictor(self.seen, self.space)], temperatures=[temperature])

    def probabilities(self, pixels: np.ndarray, device: str | torch.device, batch_size: int = 1024) -> np.ndarray:
        """Probabilities float32 [N,7] of faces uint8 [N,48,48]; only faces that were never asked are computed.

        Raises:
            FerlabError: faces without a kept answer, and no runs to ask.
        """
        asked = [hashlib.blake2b(np.ascontiguousarray(face), digest_size=_DIGEST).digest() for face in pixels]
        known = dict(zip(*_read(self.file)[:2], strict=True)) if self.file.is_file() else {}
        new = {digest: i for i, digest in reversed(list(enumerate(asked))) if digest not in known}
        if new and self.vote is None:
            raise FerlabError(
                f"teacher={self.file} has no answer for {len(new)} of {len(asked)} training faces; "
                "give the runs that it was made from, or the data and options that it was made for"
            )
        if new:
            log.info("teacher: %d of %d faces to ask", len(new), len(asked))
            predictor = self.vote.predictor(self.seen, self.space)
            answers = predict(predictor, pixels[list(new.values())], batch_size, device)
            known |= dict(zip(new, answers, strict=True))
            _write(self.file, known, self.about)
        return np.stack([known[digest] for digest in asked]) if asked else np.zeros((0, K), np.float32)


def find(teacher: str | Sequence[str], tta: str, folder: Path) -> Teacher:
    """The teacher that `teacher` names: runs (paths, globs, an ensemble's directory), or a file of kept answers.

    Args:
        tta: set of views that it sees; `frozen` for those that an ensemble was chosen with, `consistent` for the
            faces of each training step as the student sees them.
        folder: where answers are kept.

    Raises:
        FerlabError: no such runs or views, weights that are missing, or an order of classes that is not ours.
    """
    if isinstance(teacher, str) and teacher.endswith(".npz"):
        file = Path(teacher)
        if tta == CONSISTENT:
            raise FerlabError(f"teacher_tta={tta} asks in each step, which kept answers cannot; give teacher=RUNS")
        if not file.is_file():
            raise FerlabError(f"teacher={teacher} is no file; give a teacher's .npz or runs, as teacher=outputs/NAME")
        about = _read(file)[2]
        check_order(about.get("expressions"), f"teacher {teacher}")
        if about.get("tta") != tta:
            raise FerlabError(f"teacher={teacher} was asked with teacher_tta={about.get('tta')}, not {tta}; type that")
        return Teacher(about, None, (), views.SPACES[0], file)
    vote = subject.chosen(teacher, key="teacher")
    if vote is None:
        vote = subject.Subject(tuple(directory.load(path) for path in subject.find_members(teacher, key="teacher")))
    for run in vote.asked:
        check_order(run.info.get("expressions"), f"teacher {run.path}")
    if tta == "frozen" and vote.frozen_views:
        _, seen, space = vote.frozen_views
    else:
        seen, space = _views("none" if tta == CONSISTENT else tta), views.SPACES[0]
    about = {
        "members": [run.name for run in vote.asked],
        "weights_sha256": [run.weights_sha256 for run in vote.asked],
        "tta": tta,
        "expressions": list(EXPRESSIONS),
    }
    # A soft vote is known by its members whatever their order.
    key = [sorted(about["weights_sha256"]), tta, [list(view) for view in seen]]
    if vote.about:
        about["ensemble_sha256"] = vote.sha256
        key.append(vote.sha256)
    if tta == CONSISTENT:
        return Teacher(about, vote, seen, space, None)
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    return Teacher(about, vote, seen, space, folder / f"{name}.npz")


def _views(tta: str) -> tuple[views.View, ...]:
    try:
        return views.views_named(tta)
    except ValueError as error:
        hint = "; frozen is for an ensemble that was chosen on val" if tta == "frozen" else ""
        raise FerlabError(f"teacher_{error}{hint}") from None


def _read(file: Path) -> tuple[list[bytes], np.ndarray, dict[str, Any]]:
    try:
        with np.load(file, allow_pickle=False) as kept:
            faces, probabilities, about = (kept[name] for name in _ARRAYS)
            told = json.loads(str(about))
        if faces.dtype != np.uint8 or faces.shape != (len(probabilities), _DIGEST) or probabilities.shape[1:] != (K,):
            raise ValueError(f"shapes {faces.shape} and {probabilities.shape}")
        if not np.isfinite(probabilities).all() or abs(probabilities.sum(1) - 1).max(initial=0) > 1e-2:
            raise ValueError("probabilities that do not sum to 1")
    except Exception as error:  # a damaged zip raises zip, value, key, OS and EOF errors
        raise FerlabError(f"{file} holds no teacher's answers ({error}); delete it and give teacher=RUNS") from error
    return [face.tobytes() for face in faces], probabilities.astype(np.float32), told


def _write(file: Path, known: dict[bytes, np.ndarray], about: dict[str, Any]) -> None:
    """Whole or not at all: jobs of a sweep may ask the same teacher at the same time."""
    part = file.with_name(f"{file.stem}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as out:
            np.savez_compressed(
                out,
                faces=np.frombuffer(b"".join(known), np.uint8).reshape(-1, _DIGEST),
                probabilities=np.stack(list(known.values())).astype(np.float32),
                about=np.array(json.dumps(about)),
            )
        os.replace(part, file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise FerlabError(f"could not keep the teacher's answers in {file} ({error}); free some space") from error
