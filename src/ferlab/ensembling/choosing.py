"""Members' probabilities on val in, every way to make an ensemble of them with its accuracy on val out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ferlab.ensembling import weighting
from ferlab.files import Config
from ferlab.metrics.temperature import best_temperature, temper
from ferlab.predictors import views
from ferlab.predictors.views import ViewSet

TEMPERATURES = ("none", "member")


class Choice(NamedTuple):
    """One way to make an ensemble of the candidates, and its accuracy on val.

    Attributes:
        view_set: views and space.
        temperature: `none` or `member`.
        method: of `selection.METHODS`.
        accuracy: on val, where it was fitted.
        cross_validated: on val, each face predicted by what was chosen without it.
        weights, temperatures: float64 [M].
    """

    view_set: ViewSet
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
        simple = spaces.index(self.view_set.space), kinds.index(self.temperature), ways.index(self.method)
        return -self.cross_validated, len(self.view_set.views), *simple


def fitted(
    probabilities: np.ndarray,
    labels: np.ndarray,
    view_set: ViewSet,
    temperature: str,
    methods: Sequence[str],
    recipe: weighting.Recipe,
    config: Config,
) -> list[Choice]:
    """Every method on probabilities [M,N,7], fitted on all of val and, for the estimate, on parts of it."""

    def temperatures_of(faces: np.ndarray) -> np.ndarray:
        if temperature == "none":
            return np.ones(len(probabilities))
        return np.array([round(best_temperature(p[faces], labels[faces]), 4) for p in probabilities])

    right = np.zeros((len(methods), len(labels)))
    for chosen_by, held_out in weighting.folded(labels, config["folds"], config["repeats"], config["seed"]):
        tempered = temper(probabilities, temperatures_of(chosen_by))
        for k, method in enumerate(methods):
            weights = weighting.weigh(method, tempered[:, chosen_by], labels[chosen_by], recipe)
            right[k, held_out] += weighting.mix(weights, tempered[:, held_out]).argmax(1) == labels[held_out]
    temperatures = temperatures_of(np.arange(len(labels)))
    tempered, choices = temper(probabilities, temperatures), []
    for k, method in enumerate(methods):
        # Six digits: what another machine's last digits would change must not make another ensemble of it.
        weights = weighting.weigh(method, tempered, labels, recipe).round(6)
        accuracy = float((weighting.mix(weights, tempered).argmax(1) == labels).mean())
        estimate = float(right[k].mean() / config["repeats"])
        choices.append(Choice(view_set, temperature, method, accuracy, estimate, weights, temperatures))
    return choices
