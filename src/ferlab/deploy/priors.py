"""A predictor in torch in, one that answers for other shares of the classes out, and what its export states of them."""

from collections.abc import Sequence

import torch
from torch import nn

from ferlab.ensembling.subject import Subject
from ferlab.errors import FerlabError
from ferlab.files import Json
from ferlab.inference import priors
from ferlab.predictors.of_run import priors_of
from ferlab.predictors.predictor import WithPriors


def applied(predictor: nn.Module, one: Subject, wanted: str | Sequence[float] | None) -> tuple[nn.Module, Json]:
    """The predictor of a subject for `wanted` shares, and the keys of the JSON that say which its answers are for.

    Raises:
        FerlabError: as `priors.shares_of` and `priors.factors`, or a run that does not say what it learned.
    """
    try:
        learned = priors_of(one.members, one.weights)
    except FerlabError:
        if wanted is not None:
            raise
        return predictor, {}
    if wanted is None:
        return predictor, {"priors": learned.tolist()}
    shares = priors.shares_of(wanted)
    factors = torch.from_numpy(priors.factors(shares, learned))
    # The reports are of the subject's own answers, not of these.
    stated = {"priors": shares.tolist(), "learned_priors": learned.tolist(), "reports": {}}
    return WithPriors(predictor, factors).eval(), stated
