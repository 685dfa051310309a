"""What would have been the best choice on the test split: printed for the reader, never used to choose.

Nothing that chooses may import this file, and no command reads what it wrote: a test keeps it so.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from ferlab.ensembling import subject, weighting
from ferlab.metrics import temperature

NOTE = "known only after the choice, never used to choose"


def gap(vote: subject.Subject, answers: Sequence[Tensor], labels: np.ndarray, accuracy: float) -> dict[str, Any]:
    """How far a chosen ensemble is from the best choices among its own members on these faces.

    Args:
        vote: the ensemble.
        answers: probabilities [N,7] of each run that it asks, over its views.
        labels: of the N faces.
        accuracy: of the ensemble.

    Returns:
        `best_single` and `best_greedy`, a selection of the ensemble's size that is made on these very faces, each with
        `members`, `accuracy` and `gap`, its accuracy less the ensemble's; and the note.
    """
    given = np.stack([answer.double().numpy() for answer in answers[: len(vote.members)]])  # [M,N,7]
    given = temperature.temper(given, np.array(vote.temperatures))
    recipe = weighting.Recipe(vote.about["size"], True, "accuracy", 0, 0)
    single = max(np.eye(len(given)), key=lambda weights: _accuracy(weights, given, labels))
    picked = weighting.greedy(given, labels, recipe)

    def told(weights: np.ndarray) -> dict[str, Any]:
        found = _accuracy(weights, given, labels)
        members = {run.name: float(w) for run, w in zip(vote.members, weights, strict=True) if w}
        return {"members": members, "accuracy": found, "gap": found - accuracy}

    return {"note": NOTE, "best_single": told(single), "best_greedy": told(picked)}


def sentence(found: dict[str, Any]) -> str:
    """`gap`'s answer as a line for the reader."""
    single, greedy = found["best_single"], found["best_greedy"]
    return (
        f"in hindsight ({NOTE}): best single member {100 * single['accuracy']:.1f} % ({100 * single['gap']:+.1f}), "
        f"best greedy selection of as many {100 * greedy['accuracy']:.1f} % ({100 * greedy['gap']:+.1f} points)"
    )


def _accuracy(weights: np.ndarray, given: np.ndarray, labels: np.ndarray) -> float:
    return float((weighting.mix(weights, given).argmax(1) == labels).mean())
