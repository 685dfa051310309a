"""Faces in, the number of those that stand in several places out: they make a score better than it is."""

from dataclasses import dataclass

import numpy as np

from ferlab.data.faces import SPLITS, Faces, have_twin_in
from ferlab.images import SIDE

_THUMB = 12  # side of the thumbnails that near twins are looked for in
_COSINE = 0.999
# Of auxiliary faces, where a false alarm costs one face. Measured on FER2013: a photograph that is stored as JPEG of
# quality 60 after a way over 64x64 pixels keeps 0.99; the most alike of 2 x 20 million unrelated pairs have 0.956.
_ALIKE = 0.985
_CHUNK = 512  # faces compared at once: bounds the table of similarities to some 60 MB


@dataclass(frozen=True)
class Leaks:
    """Duplicates in a data set. A group is a set of pixel-identical faces.

    Attributes:
        groups: groups of two or more; `redundant` their faces beyond the first.
        groups_across: groups with faces in more than one split.
        twins: for val in train, test in train and test in val, the faces of the first with a twin in the second.
        contradictory: groups whose faces have different labels.
        constant: faces of one grey.
        mirrored_across: pairs of different splits where one is the other's mirror image and not its copy.
        near: None if not counted, else val and test faces with a near twin in train, and those of one label with it.
    """

    groups: int
    redundant: int
    groups_across: int
    twins: dict[str, int]
    contradictory: int
    constant: int
    mirrored_across: int
    near: dict[str, int] | None = None


def find(faces: Faces, near: bool = False) -> Leaks:
    """Count duplicates within and across splits; `near` adds re-encoded ones and takes a second per 10^8 pairs."""
    first: dict[bytes, int] = {}
    # group[i] is the first face with the pixels of face i.
    group = np.fromiter((first.setdefault(f.tobytes(), i) for i, f in enumerate(faces.pixels)), np.int64, len(faces))
    counts = np.bincount(group, minlength=len(faces))
    several = counts > 1
    inside = np.zeros((len(SPLITS), len(faces)), bool)  # [split, group]: the group has a face in the split
    inside[faces.split, group] = True
    labels = faces.labels
    lowest, highest = np.full(len(faces), len(faces)), np.zeros(len(faces), np.int64)
    np.minimum.at(lowest, group, labels)
    np.maximum.at(highest, group, labels)
    flat = faces.pixels.reshape(len(faces), -1)
    return Leaks(
        groups=int(several.sum()),
        redundant=int((counts[several] - 1).sum()),
        groups_across=int((inside.sum(0) > 1).sum()),
        twins={
            f"{a} in {b}": int(inside[SPLITS.index(b)][group[faces.split == SPLITS.index(a)]].sum())
            for a, b in (("val", "train"), ("test", "train"), ("test", "val"))
        },
        contradictory=int((several & (lowest != highest)).sum()),
        constant=int((flat.max(1) == flat.min(1)).sum()),
        mirrored_across=_mirrored_across(faces, first, inside),
        near=_near(faces, labels) if near else None,
    )


@dataclass(frozen=True)
class Twins:
    """Which faces also stand in another set, each face in the first of three masks [N] that holds it.

    Attributes:
        exact: pixel-identical.
        mirrored: the mirror image is.
        near: re-encoded, resized or slightly retouched, mirrored or not.
    """

    exact: np.ndarray
    mirrored: np.ndarray
    near: np.ndarray

    @property
    def any(self) -> np.ndarray:
        """Mask [N] of all of them."""
        return self.exact | self.mirrored | self.near

    def counts(self) -> dict[str, int]:
        """Their numbers, for JSON."""
        return {name: int(getattr(self, name).sum()) for name in ("exact", "mirrored", "near")}


def twins_in(pixels: np.ndarray, others: np.ndarray) -> Twins:
    """Which faces of uint8 [N,48,48] also stand in uint8 [M,48,48]; takes a second per 10^8 pairs.

    Shifted or cropped copies are not found: nothing is registered.
    """
    flipped = pixels[:, :, ::-1]
    exact = have_twin_in(pixels, others)
    mirrored = have_twin_in(flipped, others) & ~exact
    known = _thumbs(others).T  # [144,M]
    near = np.zeros(len(pixels), bool)
    for start in range(0, len(pixels) if len(others) else 0, _CHUNK):
        for view in (pixels, flipped):
            cosine = _thumbs(view[start : start + _CHUNK]) @ known
            near[start : start + _CHUNK] |= cosine.max(1) >= _ALIKE
    return Twins(exact, mirrored, near & ~exact & ~mirrored)


def _mirrored_across(faces: Faces, first: dict[bytes, int], inside: np.ndarray) -> int:
    pairs = 0
    for start in range(0, len(faces), _CHUNK):
        mirrored = np.ascontiguousarray(faces.pixels[start : start + _CHUNK, :, ::-1])
        for i, face in enumerate(mirrored, start):
            other = first.get(face.tobytes())
            # other > i: each pair of groups once, and never a symmetric face with itself.
            if other is not None and other > i and first.get(faces.pixels[i].tobytes()) == i:
                pairs += bool(np.outer(inside[:, i], inside[:, other])[~np.eye(len(SPLITS), dtype=bool)].any())
    return pairs


def _thumbs(pixels: np.ndarray) -> np.ndarray:
    """uint8 [N,48,48] -> float32 [N,144] of mean 0 and length 1, so that products are correlations."""
    step = SIDE // _THUMB
    thumbs = pixels.reshape(len(pixels), _THUMB, step, _THUMB, step).mean((2, 4), dtype=np.float32)
    thumbs = thumbs.reshape(len(pixels), _THUMB * _THUMB)
    thumbs -= thumbs.mean(1, keepdims=True)  # otherwise all faces are alike: brightness outweighs the picture
    thumbs /= np.maximum(np.linalg.norm(thumbs, axis=1, keepdims=True), 1e-6)  # a constant face is like no other
    return thumbs


def _near(faces: Faces, labels: np.ndarray) -> dict[str, int]:
    thumbs = _thumbs(faces.pixels)
    train, evaluated = np.flatnonzero(faces.split == 0), np.flatnonzero(faces.split != 0)
    found = agree = 0
    for start in range(0, len(evaluated) if len(train) else 0, _CHUNK):
        some = evaluated[start : start + _CHUNK]
        cosine = thumbs[some] @ thumbs[train].T
        best = cosine.argmax(1)
        twin = cosine[np.arange(len(some)), best] >= _COSINE
        found += int(twin.sum())
        agree += int((labels[some] == labels[train[best]])[twin].sum())
    return {"in train": found, "of the same label": agree}
