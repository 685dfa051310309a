"""A second stage for pairs that an ensemble confuses: which specialists are worth keeping, by val alone.

A specialist is a run that was trained on the faces of two expressions (`only` of conf/train.yaml). Where these are the
two most probable of a face, it decides how their probability is split (`predictor.resplit`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.metrics.statistics import holm, mcnemar
from ferlab.predictors import predictor
from ferlab.runs import directory


@dataclass(frozen=True)
class Trial:
    """How one specialist does behind a base, on val.

    Attributes:
        pair: the two expressions.
        faces: on how many of val the two were the base's most probable.
        gained, lost: faces that it alone gets right, and that the base alone did.
        p, p_holm: McNemar's exact test of the two, and after Holm for being one of several.
        kept: whether it becomes part of the ensemble.
        probabilities: its own, [N,7].
    """

    run: directory.Run
    pair: tuple[str, str]
    faces: int
    gained: int
    lost: int
    p: float
    p_holm: float
    kept: bool
    probabilities: np.ndarray

    @property
    def classes(self) -> tuple[int, int]:
        return EXPRESSIONS.index(self.pair[0]), EXPRESSIONS.index(self.pair[1])


def pair_of(run: directory.Run) -> tuple[str, str] | None:
    """The two expressions that a run was trained on; None for a run that knows all of them.

    Raises:
        FerlabError: another number of expressions.
    """
    only = run.config.get("only")
    if not only:
        return None
    if len(only) != 2:
        raise FerlabError(f"{run.path} was trained on only={list(only)}; a specialist needs two expressions")
    return only[0], only[1]


def tried(
    base: np.ndarray, specialists: Sequence[directory.Run], answers: np.ndarray, labels: np.ndarray, level: float
) -> list[Trial]:
    """Every specialist by itself behind a base, the surest gain first.

    Args:
        base: probabilities [N,7] of val.
        answers: of the S specialists, [S,N,7].
        labels: of the N faces.
        level: a gain counts where McNemar's p, after Holm for S tests, is not above it; of a pair the surest is kept.
    """
    right = base.argmax(1) == labels
    likeliest = np.sort(np.argsort(base, axis=1)[:, -2:], axis=1)
    found = []
    for run, probabilities in zip(specialists, answers, strict=True):
        pair = pair_of(run)
        if pair is None:
            raise FerlabError(f"{run.path} knows all expressions; a specialist was trained with only=[A,B]")
        a, b = sorted(EXPRESSIONS.index(name) for name in pair)
        split = predictor.resplit(torch.from_numpy(base), [(a, b)], [torch.from_numpy(probabilities)]).numpy()
        lost, gained, p = mcnemar(right, split.argmax(1) == labels)
        found.append((run, pair, int((likeliest == (a, b)).all(1).sum()), gained, lost, p))
    adjusted = holm([p for *_, p in found])
    order = sorted(range(len(found)), key=lambda s: (adjusted[s], found[s][-1], found[s][4] - found[s][3]))
    trials: list[Trial] = []
    taken: set[frozenset[str]] = set()
    for s in order:
        run, pair, faces, gained, lost, p = found[s]
        kept = gained > lost and adjusted[s] <= level and frozenset(pair) not in taken
        taken |= {frozenset(pair)} if kept else set()
        trials.append(Trial(run, pair, faces, gained, lost, p, adjusted[s], kept, answers[s]))
    return trials


def second_stage(base: np.ndarray, kept: Sequence[Trial]) -> np.ndarray:
    """Probabilities [N,7] of val behind the specialists that are kept."""
    if not kept:
        return base
    probabilities = [torch.from_numpy(trial.probabilities) for trial in kept]
    return predictor.resplit(torch.from_numpy(base), [trial.classes for trial in kept], probabilities).numpy()
