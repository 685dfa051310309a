"""Faces enter, the count of those that stand in several places leaves: what makes a score better than it is."""

from dataclasses import asdict, dataclass

import numpy as np

from ferlab.data.faces import SIDE, SPLITS, Faces

_THUMB = 12  # side of the thumbnails that near twins are looked for in
_COSINE = 0.999
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
        near: None if not asked for, else val and test faces with a near twin in train, and those of one label with it.
    """

    groups: int
    redundant: int
    groups_across: int
    twins: dict[str, int]
    contradictory: int
    constant: int
    mirrored_across: int
    near: dict[str, int] | None = None

    def as_dict(self) -> dict:
        """The numbers, for JSON."""
        return asdict(self)


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


def _near(faces: Faces, labels: np.ndarray) -> dict[str, int]:
    step = SIDE // _THUMB
    thumbs = faces.pixels.reshape(len(faces), _THUMB, step, _THUMB, step).mean((2, 4), dtype=np.float32)
    thumbs = thumbs.reshape(len(faces), -1)  # [N,144]
    thumbs -= thumbs.mean(1, keepdims=True)  # otherwise all faces are alike: brightness outweighs the picture
    thumbs /= np.maximum(np.linalg.norm(thumbs, axis=1, keepdims=True), 1e-6)  # a constant face is like no other
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
