"""How often each source of the training data shows each class in, a loss that takes no source's shares for granted out.

Menon et al. 2021, "Long-tail learning via logit adjustment" (arXiv:2007.07314), equation 10: the loss adds
tau * log(shares) to the logits. What the net itself answers then takes shares^(1 - tau) for granted, and with tau = 1
each class as frequent as any other. Here each source of the data has shares of its own: faces of press photographs are
mostly neutral or happy, and a net must not learn to answer so because of what press photographs look like.
"""

import numpy as np

from ferlab.config import Config
from ferlab.data.datamodule import FacesDataModule
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.inference import priors
from ferlab.predictors.of_run import priors_of
from ferlab.training.teacher import ConsistentTeacher, KeptTeacher, Teacher


def adjust(config: Config, data: FacesDataModule, teacher: Teacher | KeptTeacher | ConsistentTeacher | None) -> None:
    """Give the training faces the logit shifts that the config's logit_adjustment asks for; without it do nothing.

    Raises:
        FerlabError: a class without a training face; or beside another key that evens the classes out, mixes faces of
            several sources, or takes a teacher that predicts in each step.
    """
    tau = config["logit_adjustment"]
    if not tau:
        return
    for key, off in (("class_weights", "none"), ("balance", "none")):
        if config[key] != off:
            raise FerlabError(
                f"{key}={config[key]} and logit_adjustment={tau} both even the classes out; leave one of them out"
            )
    if isinstance(teacher, ConsistentTeacher):
        raise FerlabError(f"logit_adjustment={tau} weighs a teacher's kept probabilities; type teacher_tta=none")
    counts = data.source_counts
    if len(counts) > 1 and (config["mixup"] or config["cutmix"]):
        raise FerlabError(f"logit_adjustment={tau} cannot mix faces of {len(counts)} sources; type mixup=0 cutmix=0")
    data.logit_shift = logit_shifts(tau, source_shares(counts, tau))[data.train.source]


def for_sources(probabilities: np.ndarray, data: FacesDataModule, teacher: Teacher | KeptTeacher) -> np.ndarray:
    """A teacher's probabilities [N,7] of the training faces for the class shares of each face's source, float32 [N,7].

    The loss adds those shares to the logits, so its targets must have them too.

    Raises:
        FerlabError: nothing says which shares the teacher learned.
    """
    if isinstance(teacher, KeptTeacher):
        raise FerlabError(
            f"logit_adjustment needs the class shares that the teacher learned, and {teacher.file} does not say them; "
            "give the runs that it was made from"
        )
    learned = priors_of(teacher.subject.members, teacher.subject.weights)
    weighed = np.empty(probabilities.shape, np.float32)
    for source, shares in enumerate(source_shares(data.source_counts, 1)):
        own = data.train.source == source
        weighed[own] = priors.corrected(probabilities[own], priors.factors(shares, learned))
    return weighed


def source_shares(counts: np.ndarray, tau: float) -> np.ndarray:
    """Shares of the classes in each source of the training data, float64 [S,7], rows of sum 1.

    A class that a source lacks counts as half a face, so that its logarithm is finite; of a source without labels each
    class is as frequent as any other.

    Args:
        counts: sums of the targets of each source per class, float64 [S,7].
        tau: logit_adjustment, for the message.

    Raises:
        FerlabError: a class without a training face in any source.
    """
    if empty := [name for name, n in zip(EXPRESSIONS, counts.sum(0), strict=True) if n <= 0]:
        raise FerlabError(
            f"logit_adjustment={tau} needs every class in training; none of {', '.join(empty)}; type logit_adjustment=0"
        )
    floored = np.maximum(counts, 0.5)
    return floored / floored.sum(1, keepdims=True)


def logit_shifts(tau: float, shares: np.ndarray) -> np.ndarray:
    """What the loss adds to the logits of a face of each source, float32 [S,7].

    Of the first source it is tau * log(shares). Of another one it is log(its shares) - (1 - tau) * log(shares of the
    first): what the net answers then takes the same for granted, whatever source a face looks like.

    Args:
        shares: as `source_shares` gives them, float64 [S,7].
    """
    return (np.log(shares) - (1 - tau) * np.log(shares[0])).astype(np.float32)
