"""The best choice on the test split, known only afterwards: printed for the reader, never used to choose.

Nothing that chooses may import this file, and no command reads what it wrote: a test keeps it so.
"""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ferlab.ensembling import weighting
from ferlab.ensembling.subject import Subject
from ferlab.files import Json
from ferlab.metrics import temperature

NOTE = "known only after the choice, never used to choose"


def gap(one: Subject, by_run: Sequence[Tensor], labels: np.ndarray, accuracy: float) -> Json:
    """How far a chosen ensemble is from the best choices among its own members on these faces.

    Args:
        one: the ensemble.
        by_run: probabilities [N,7] of each of its runs, over its views.
        labels: of the N faces.
        accuracy: of the ensemble.

    Returns:
        `best_single` and `best_greedy`, a selection of the ensemble's size that is made on these very faces, each with
        `members`, `accuracy` and `gap`, its accuracy less the ensemble's; and the note.
    """
    members = np.stack([run.double().numpy() for run in by_run[: len(one.members)]])  # [M,N,7]
    members = temperature.temper(members, np.array(one.temperatures))
    recipe = weighting.Recipe((one.choice or {})["size"], True, "accuracy", 0, 0)
    single = max(np.eye(len(members)), key=lambda weights: _accuracy(weights, members, labels))
    picked = weighting.greedy(members, labels, recipe)

    def described(weights: np.ndarray) -> Json:
        found = _accuracy(weights, members, labels)
        names = {run.name: float(w) for run, w in zip(one.members, weights, strict=True) if w}
        return {"members": names, "accuracy": found, "gap": found - accuracy}

    return {"note": NOTE, "best_single": described(single), "best_greedy": described(picked)}


def sentence(found: Json) -> str:
    """The result of `gap` as a line for the reader."""
    single, greedy = found["best_single"], found["best_greedy"]
    return (
        f"in hindsight ({NOTE}): best single member {100 * single['accuracy']:.1f} % ({100 * single['gap']:+.1f}), "
        f"best greedy selection of as many {100 * greedy['accuracy']:.1f} % ({100 * greedy['gap']:+.1f} points)"
    )


def _accuracy(weights: np.ndarray, members: np.ndarray, labels: np.ndarray) -> float:
    return float((weighting.mix(weights, members).argmax(1) == labels).mean())
