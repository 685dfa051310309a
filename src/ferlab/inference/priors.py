"""Shares of the classes: those that a model's probabilities take for granted, and others put in their place.

A net learns how often each expression was among its training faces. Where shares are known to be others, a probability
times wanted / learned, normalised, is Bayes' rule with the other shares (Saerens, Latinne & Decaestecker 2002,
doi:10.1162/089976602753284446, equation 2.4). Nothing is estimated here: who gives shares knows them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, K

# Faces of each class, in the order of EXPRESSIONS, in the training split by each label system.
_FERPLUS = (2100, 119, 532, 7287, 3014, 3149, 8740)  # by FER+'s majority, without contempt
NAMED: dict[str, tuple[float, ...]] = {
    "uniform": (1,) * K,
    "fer2013": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "ferplus": _FERPLUS,
    "mild": tuple(n**0.25 for n in _FERPLUS),  # a quarter of the way from uniform to FER+'s, in logarithms
}


def shares_of(priors: str | Sequence[float]) -> np.ndarray:
    """Shares float64 [7] of sum 1 that a name or seven numbers of any sum say; raises FerlabError for what are none."""
    given = NAMED.get(priors) if isinstance(priors, str) else priors
    try:
        numbers = np.array(given, np.float64)
    except (TypeError, ValueError):
        numbers = np.zeros(0)
    if numbers.shape != (K,) or not np.isfinite(numbers).all() or numbers.min() < 0 or not numbers.any():
        raise FerlabError(
            f"priors is {priors}; choose {', '.join(NAMED)}, or {K} numbers of at least 0 for {', '.join(EXPRESSIONS)}"
        )
    return numbers / numbers.sum()


def title(priors: str | Sequence[float]) -> str:
    """What files and reports for these shares are called after: their name, or `priors` for numbers."""
    return priors if isinstance(priors, str) else "priors"


def typed(word: str) -> str | list[float]:
    """A word of the command line, a name or seven numbers with commas, as `shares_of` takes it."""
    try:
        return word if "," not in word else [float(number) for number in word.split(",")]
    except ValueError:
        return word


def of_run(config: Mapping[str, Any], info: Mapping[str, Any]) -> np.ndarray:
    """The shares that a run learned, by run.json; of a run from before it states them, by its class counts.

    Raises:
        FerlabError: nothing says them.
    """
    if info.get("priors"):
        return shares_of(info["priors"])
    counts, evened = info.get("class_counts"), config.get("class_weights", "none")
    if config.get("balance") == "sampler" or evened == "balanced":
        return shares_of("uniform")
    if evened != "none" or not isinstance(counts, Mapping) or set(counts) != set(EXPRESSIONS):
        raise FerlabError("nothing says which class shares the run was trained for; train and export it anew")
    return shares_of([counts[name] for name in EXPRESSIONS])


def of_model(sidecar: Mapping[str, Any]) -> np.ndarray:
    """The shares that an exported model's probabilities take for granted, by its JSON.

    Raises:
        FerlabError: nothing says them.
    """
    if sidecar.get("priors"):
        return shares_of(sidecar["priors"])
    runs = sidecar.get("runs")
    if not isinstance(runs, list) or not runs:
        raise FerlabError(f"{sidecar.get('file', 'the model')} does not say its class shares; leave out priors")
    return np.mean([of_run(run["config"], run["info"]) for run in runs], axis=0)


def factors(wanted: np.ndarray, learned: np.ndarray) -> np.ndarray:
    """What probabilities that take `learned` shares [7] for granted are multiplied by for `wanted` ones, float32 [7].

    Raises:
        FerlabError: a wanted class that was never learned.
    """
    if unknown := [name for name, w, own in zip(EXPRESSIONS, wanted, learned, strict=True) if w > 0 and own <= 0]:
        raise FerlabError(f"priors want {', '.join(unknown)}, which the model never learned; give it a share of 0")
    found = np.divide(wanted, learned, out=np.zeros(K), where=learned > 0)
    return (found / found.max()).astype(np.float32)


def corrected(probabilities: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Probabilities [N,7] times factors [7], normalised, float32 [N,7]; a row of zeros stays as it was."""
    weighed = probabilities * by
    total = weighed.sum(1, keepdims=True)
    return np.where(total > 0, weighed / np.where(total > 0, total, 1), probabilities).astype(np.float32)
