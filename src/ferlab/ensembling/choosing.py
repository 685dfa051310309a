"""Members' probabilities on val enter; every way to make an ensemble of them, with what val says of it, leaves."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ferlab.ensembling import weighting
from ferlab.metrics.temperature import best_temperature, temper
from ferlab.predictors import views
from ferlab.predictors.views import ViewSet

TEMPERATURES = ("none", "member")


class Choice(NamedTuple):
    """One way to make an ensemble of the candidates, and what val says of it.

    Attributes:
        seen: views and space.
        temperature: `none` or `member`.
        method: of `selection.METHODS`.
        accuracy: on val, where it was fitted.
        cross_validated: on val, each face said by what was chosen without it.
        weights, temperatures: float64 [M].
    """

    seen: ViewSet
    temperature: str
    method: str
    accuracy: float
    cross_validated: float
    weights: np.ndarray
    temperatures: np.ndarray

    @property
    def rank(self) -> tuple[float, ...]:
        """Sorts the best choice first: by cross-validated accuracy, of equals the one that costs and fits less."""
        spaces, kinds, ways = views.SPACES, TEMPERATURES, weighting.METHODS
        simple = spaces.index(self.seen.space), kinds.index(self.temperature), ways.index(self.method)
        return -self.cross_validated, len(self.seen.views), *simple


def fitted(
    given: np.ndarray,
    labels: np.ndarray,
    seen: ViewSet,
    temperature: str,
    methods: Sequence[str],
    recipe: weighting.Recipe,
    config: dict[str, Any],
) -> list[Choice]:
    """Every method on probabilities [M,N,7], fitted on all of val and, for the estimate, on parts of it."""

    def temperatures_of(faces: np.ndarray) -> np.ndarray:
        if temperature == "none":
            return np.ones(len(given))
        return np.array([round(best_temperature(p[faces], labels[faces]), 4) for p in given])

    right = np.zeros((len(methods), len(labels)))
    for chosen_by, said in weighting.folded(labels, config["folds"], config["repeats"], config["seed"]):
        tempered = temper(given, temperatures_of(chosen_by))
        for k, method in enumerate(methods):
            weights = weighting.weigh(method, tempered[:, chosen_by], labels[chosen_by], recipe)
            right[k, said] += weighting.mix(weights, tempered[:, said]).argmax(1) == labels[said]
    temperatures = temperatures_of(np.arange(len(labels)))
    tempered, choices = temper(given, temperatures), []
    for k, method in enumerate(methods):
        # Six digits: what another machine's last digits would change must not make another ensemble of it.
        weights = weighting.weigh(method, tempered, labels, recipe).round(6)
        accuracy = float((weighting.mix(weights, tempered).argmax(1) == labels).mean())
        estimate = float(right[k].mean() / config["repeats"])
        choices.append(Choice(seen, temperature, method, accuracy, estimate, weights, temperatures))
    return choices
