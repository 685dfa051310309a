"""Training faces of unequal classes in, as many of each out: drawn more often, or made between neighbours."""

import logging
import time
from typing import Any

import numpy as np

from ferlab.data.faces import Faces, hard_targets
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, K
from ferlab.images import SIDE

log = logging.getLogger(__name__)

KINDS = ("none", "sampler", "smote", "adasyn")
SYNTHETIC = ("smote", "adasyn")
_NEIGHBOURS = 5  # as in both papers
_TAG = 1  # keeps the sampler's stream apart from the permutations', which is [seed, epoch]; 0 would be the same


def check(train: Faces, kind: str) -> None:
    """Warn of classes without a training face.

    Raises:
        FerlabError: unknown kind; or one that cannot balance because a class has no face. `none` only warns.
    """
    if kind not in KINDS:
        raise FerlabError(f"balance is {kind!r}; choose {', '.join(KINDS)}")
    if kind != "none" and not train.labelled.all():
        raise FerlabError(
            f"balance={kind} needs a label for each training face, and {(~train.labelled).sum()} have a teacher's "
            "targets alone; use balance=none"
        )
    empty = _names(_counts(train.labels[train.labelled]) == 0)
    if empty and kind != "none":
        raise FerlabError(f"balance={kind} needs every class in training; no face of {empty}; use balance=none")
    unseen = _names(train.targets.sum(0) == 0)  # a distribution may know a class that is no face's label
    if unseen:
        log.warning("no training face of %s: the net cannot learn it", unseen)


def sample(labels: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Indices int64 [N] of an epoch, drawn with replacement so that each class is as probable as any other.

    Args:
        labels: class of each face, int64 [N]; every class has one.
    """
    p = 1 / _counts(labels)[labels]
    return np.random.default_rng([seed, epoch, _TAG]).choice(len(labels), len(labels), p=p / p.sum())


def grow(train: Faces, kind: str, seed: int) -> Faces:
    """The training faces, then synthetic ones on lines between neighbours of a class, until all are as many.

    `smote` starts from any face of a class (Chawla et al. 2002, arXiv:1106.1813), `adasyn` more often from those with
    neighbours of other classes, and makes only roughly as many (He et al. 2008, doi:10.1109/IJCNN.2008.4633969). Faces
    are neighbours by their pixels. Synthetic ones have one-hot targets and no subject. FER2013 takes 1.5 GB and, on one
    core, half a minute (`smote`) or some minutes (`adasyn`) each time.

    Raises:
        FerlabError: imbalanced-learn is missing, a class has a single face, or `adasyn` finds nothing to make.
    """
    labels, sampler = train.labels, _sampler(kind, _counts(train.labels), seed)
    log.info("balance=%s: looking for neighbours among %d faces", kind, len(train))
    started = time.perf_counter()
    # float32: imbalanced-learn computes in its input's type, and bytes would wrap around.
    flat = train.pixels.reshape(len(train), -1).astype(np.float32)
    try:
        flat, grown = sampler.fit_resample(flat, labels)
    except (ValueError, RuntimeError) as error:  # adasyn, where no face has a neighbour of another class
        raise FerlabError(f"balance={kind} makes no faces of these ({error}); use balance=smote or sampler") from error
    made = grown[len(train) :]
    numbers = ", ".join(f"{n} {name}" for name, n in zip(EXPRESSIONS, _counts(made), strict=True))
    log.info("balance=%s: made %d faces in %.1f s: %s", kind, len(made), time.perf_counter() - started, numbers)
    # In the order of files that origin() looks up; the first are as they were.
    files = [train.origin(i) for i in range(len(train))] + [f"{kind}: {EXPRESSIONS[k]}" for k in made]
    return Faces(
        np.concatenate([train.pixels, np.rint(flat[len(train) :]).astype(np.uint8).reshape(-1, SIDE, SIDE)]),
        np.concatenate([train.targets, hard_targets(made)]),
        np.zeros(len(grown), np.uint8),
        np.concatenate([train.subject, np.full(len(made), -1, np.int32)]),
        np.arange(len(grown), dtype=np.int32),
        files,
    )


def _sampler(kind: str, counts: np.ndarray, seed: int) -> Any:
    """imbalanced-learn's SMOTE or ADASYN for classes of these sizes."""
    try:
        from imblearn import over_sampling
    except ImportError as error:
        raise FerlabError(
            f"balance={kind} needs imbalanced-learn ({error}); pip install 'ferlab[train,balance]'"
        ) from None
    if counts.min() < 2:
        raise FerlabError(
            f"balance={kind} makes faces between two of a class; found one of {_names(counts < 2)}; use balance=sampler"
        )
    neighbours = min(_NEIGHBOURS, int(counts.min()) - 1)
    if neighbours < _NEIGHBOURS:
        few = f"{counts.min()} faces of {EXPRESSIONS[counts.argmin()]}"
        log.warning("balance=%s: %s; it looks at %d neighbours, not %d", kind, few, neighbours, _NEIGHBOURS)
    if kind == "smote":
        return over_sampling.SMOTE(k_neighbors=neighbours, random_state=seed)
    return over_sampling.ADASYN(n_neighbors=neighbours, random_state=seed)


def _counts(labels: np.ndarray) -> np.ndarray:
    return np.bincount(labels, minlength=K)


def _names(which: np.ndarray) -> str:
    return ", ".join(EXPRESSIONS[k] for k in np.flatnonzero(which))
