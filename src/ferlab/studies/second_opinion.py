"""Faces -> who disagrees with their label: FER+'s voters, and identical faces with another label."""

from pathlib import Path

import numpy as np

from ferlab.data.faces import SPLITS, Faces
from ferlab.data.sources.ferplus import refuse_other_faces
from ferlab.data.sources.ferplus_votes import majority_of, votes_of
from ferlab.errors import FerlabError
from ferlab.expressions import FERPLUS_COLUMNS

GROUPS = ("agrees", "disputes", "no majority", "not a face", "not rated")
_NF = FERPLUS_COLUMNS.index("NF")


def ferplus(faces: Faces, votes_csv: Path) -> tuple[np.ndarray, np.ndarray]:
    """(index into `GROUPS` int [N], FER+'s expression int [N], -1 where there is none) of FER2013's faces.

    A majority is more than half of the votes (Barsoum et al. 2016, arXiv:1608.01041); contempt and unknown dispute.

    Raises:
        FerlabError: the votes are not of these faces' rows.
    """
    usage, named, votes = votes_of(votes_csv)
    row = faces.csv_rows()
    if row is None or row.max() >= len(votes) or (usage[row] != faces.split).any():
        raise FerlabError(f"{votes_csv} is not of these faces: expected its rows in the order of fer2013.csv")
    votes, named = votes[row], named[row]
    refuse_other_faces(faces.labels, row, votes, named, votes_csv)
    majority = votes.max(1) * 2 > votes.sum(1)
    expression = np.where(named, majority_of(votes), -1)
    group = np.where(expression == faces.labels, GROUPS.index("agrees"), GROUPS.index("disputes"))
    group[~majority] = GROUPS.index("no majority")
    group[~named] = GROUPS.index("not rated")
    group[majority & (votes.argmax(1) == _NF)] = GROUPS.index(
        "not a face"
    )  # which have no image name in the published file
    return group, expression


def twins_of_other_label(faces: Faces, split: str) -> np.ndarray:
    """Of each face of a split its pixel-identical face's label where that differs, else -1; int [n].

    Twins are looked for in the split and in training alone: labels of another split stay unread.
    """
    known: dict[bytes, set[int]] = {}
    labels = faces.labels
    for i in np.flatnonzero(np.isin(faces.split, [0, SPLITS.index(split)])):
        known.setdefault(faces.pixels[i].tobytes(), set()).add(int(labels[i]))
    own = np.flatnonzero(faces.split == SPLITS.index(split))
    others = (known[faces.pixels[i].tobytes()] - {int(labels[i])} for i in own)
    return np.array([min(other, default=-1) for other in others], int)
