"""Faces in, the number of those that stand in several places out: they make a score better than it is."""

from dataclasses import dataclass

import numpy as np

from ferlab.data.faces import SPLITS, Faces, have_twin_in
from ferlab.images import SIDE

_THUMB = 12  # side of the thumbnails that near twins are looked for in
# Measured on FER2013: a photograph that is stored as JPEG of quality 60 after a way over 64x64 pixels keeps 0.99; the
# most alike of 2 x 20 million unrelated pairs have 0.956.
_ALIKE = 0.985
_ACROSS = (("val", "train"), ("test", "train"), ("test", "val"))
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
        near: None if not counted, else of val and test the faces that also stand in train, and of test those in val,
            as they are, mirrored, re-encoded, resized or retouched (`twins_in`); how many of them are mirrored, and
            how many have their twin's label.
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
    """Count duplicates within and across splits; `near` adds re-encoded ones, mirrored or not, as `twins_in`."""
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
            f"{a} in {b}": int(inside[SPLITS.index(b)][group[faces.split == SPLITS.index(a)]].sum()) for a, b in _ACROSS
        },
        contradictory=int((several & (lowest != highest)).sum()),
        constant=int((flat.max(1) == flat.min(1)).sum()),
        mirrored_across=_mirrored_across(faces, first, inside),
        near=_near(faces) if near else None,
    )


@dataclass(frozen=True)
class Twins:
    """Which faces also stand in another set, each face in the first of three masks [N] that holds it.

    Attributes:
        exact: pixel-identical.
        mirrored: the mirror image is.
        near: re-encoded, resized or slightly retouched, mirrored or not.
        of: index of the most alike face of the other set, or of its mirror image, int [N]; -1 where there is no twin.
        turned: mask [N] of those that are more like it mirrored.
    """

    exact: np.ndarray
    mirrored: np.ndarray
    near: np.ndarray
    of: np.ndarray
    turned: np.ndarray

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
    alike, of = np.zeros((2, len(pixels)), np.float32), np.full((2, len(pixels)), -1)
    for start in range(0, len(pixels) if len(others) else 0, _CHUNK):
        part = slice(start, start + _CHUNK)
        for view, turned in ((0, pixels), (1, flipped)):
            cosine = _thumbs(turned[part]) @ known
            alike[view, part], of[view, part] = cosine.max(1), cosine.argmax(1)
    turned = alike[1] > alike[0]
    twin = exact | mirrored | (alike.max(0) >= _ALIKE)
    best = np.where(twin, np.where(turned, of[1], of[0]), -1)
    return Twins(exact, mirrored, twin & ~exact & ~mirrored, best, twin & turned)


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


def _near(faces: Faces) -> dict[str, int]:
    found, turned, agree = {}, 0, 0
    for a, b in _ACROSS:
        some, others = (np.flatnonzero(faces.split == SPLITS.index(split)) for split in (a, b))
        twins = twins_in(faces.pixels[some], faces.pixels[others])
        found[f"of {a} in {b}"] = int(twins.any.sum())
        turned += int(twins.turned.sum())
        agree += int((faces.labels[some] == faces.labels[others][twins.of])[twins.any].sum()) if len(others) else 0
    return {**found, "mirrored": turned, "of the same label": agree}
