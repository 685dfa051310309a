"""Probabilities that were computed once and are kept in a file, found by the pixels of each face.

A face's kept probabilities are found in any data set, in any order, on any machine. A file belongs to one
model in one view set.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired

import numpy as np
from typing_extensions import TypedDict

from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.files import Json, replacing
from ferlab.runs import shapes

log = logging.getLogger(__name__)

_DIGEST = 16  # bytes; two of 10^9 faces agree by chance with a probability below 10^-20
_ARRAYS = ("faces", "probabilities", "about")


class _About(TypedDict):
    members: list[str]
    weights_sha256: list[str]
    tta: NotRequired[str]
    expressions: list[str]


@dataclass(frozen=True)
class Kept:
    """A file of kept probabilities.

    Attributes:
        file: a .npz file, which may not be there yet.
        provenance: `members` (run names), `weights_sha256`, `tta`, `expressions` of its model; of an ensemble that
            was chosen on val also its `ensemble_sha256`.
    """

    file: Path
    provenance: Mapping[str, Any]

    def read(self) -> dict[bytes, np.ndarray]:
        """Digest of a face -> its probabilities [7]; nothing where there is no file, or a damaged one."""
        if not self.file.is_file():
            return {}
        try:
            known, belongs = read(self.file)
            if not self._is_of(belongs):
                raise FerlabError(f"{self.file} belongs to {belongs}")
        except FerlabError as error:
            log.warning("%s; its faces are computed again", error)
            return {}
        return known

    def _is_of(self, belongs: Mapping[str, Any]) -> bool:
        """Whether a file belongs to the same weights, in whatever order, in the same view set."""
        keys = ("tta", "expressions", "ensemble_sha256")
        same = all(belongs.get(key) == self.provenance.get(key) for key in keys)
        return same and sorted(belongs.get("weights_sha256", ())) == sorted(self.provenance["weights_sha256"])

    def write(self, known: Mapping[bytes, np.ndarray]) -> None:
        """Whole or not at all: jobs of a sweep may ask the same model at the same time.

        Raises:
            FerlabError: the disk refuses.
        """
        with replacing(self.file) as out:
            np.savez_compressed(
                out,
                faces=np.frombuffer(b"".join(known), np.uint8).reshape(-1, _DIGEST),
                probabilities=np.stack(list(known.values())).astype(np.float32),
                about=np.array(json.dumps(dict(self.provenance))),
            )


def read(file: Path) -> tuple[dict[bytes, np.ndarray], Json]:
    """Digest of a face -> its probabilities [7], and what the file belongs to.

    Raises:
        FerlabError: no such file, or one that holds something else.
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:
            faces, probabilities, provenance = (arrays[name] for name in _ARRAYS)
            belongs = json.loads(str(provenance))
        if faces.dtype != np.uint8 or faces.shape != (len(probabilities), _DIGEST) or probabilities.shape[1:] != (K,):
            raise ValueError(f"shapes {faces.shape} and {probabilities.shape}")
        if not np.isfinite(probabilities).all() or abs(probabilities.sum(1) - 1).max(initial=0) > 1e-2:
            raise ValueError("probabilities that do not sum to 1")
        shapes.read(_About, belongs, "about", "ask the runs again")
    except Exception as error:  # a damaged zip raises zip, value, key, OS and EOF errors
        raise FerlabError(f"{file} holds no kept probabilities ({error}); delete it and give the runs") from error
    return dict(zip(map(bytes, faces), probabilities.astype(np.float32), strict=True)), belongs


def digests(pixels: np.ndarray) -> list[bytes]:
    """What each face uint8 [N,48,48] is found by."""
    return [hashlib.blake2b(face.tobytes(), digest_size=_DIGEST).digest() for face in pixels]


def ask(
    pixels: np.ndarray,
    kept: Mapping[str, Kept],
    compute: Callable[[np.ndarray, Sequence[str]], Mapping[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Probabilities float32 [N,7] of faces uint8 [N,48,48] by title of a view set; only new faces are computed.

    Args:
        kept: title -> its file.
        compute: faces [n,48,48] and titles -> their probabilities [n,7] by title.

    Raises:
        FerlabError: as `compute`; the disk refuses.
    """
    wanted = digests(pixels)
    known = {title: one.read() for title, one in kept.items()}
    lacking = [title for title in kept if not known[title].keys() >= set(wanted)]
    new = {digest: i for i, digest in reversed(list(enumerate(wanted))) if any(digest not in known[t] for t in lacking)}
    if new:
        found = compute(pixels[sorted(new.values())], lacking)
        in_order = sorted(new, key=new.__getitem__)
        for title in lacking:
            known[title] |= dict(zip(in_order, found[title], strict=True))
            kept[title].write(known[title])
    empty = np.zeros((0, K), np.float32)
    return {title: np.stack([known[title][d] for d in wanted]) if wanted else empty for title in kept}
