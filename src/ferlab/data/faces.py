"""A data set as arrays: every source gives it and everything downstream takes it."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ferlab.expressions import EXPRESSIONS, K
from ferlab.files import shown
from ferlab.images import SIDE

SPLITS = ("train", "val", "test")  # split codes 0, 1, 2; FER2013's Training, PublicTest, PrivateTest


@dataclass(frozen=True)
class Faces:
    """N faces with targets and splits.

    Attributes:
        pixels: uint8 [N,48,48], grey 0..255; may be memory-mapped.
        targets: float32 [N,7], each row a distribution over `EXPRESSIONS`; a hard label is one-hot. Zeros: a training
            face without a label, whose target a teacher gives.
        split: uint8 [N], index into `SPLITS`.
        subject: int32 [N], the person's number, -1 where unknown.
        row: int32 [N], place in the raw layout: data row of a csv (from 0), or index into `files`.
        files: names of the raw files where the layout is one file a face, else empty.
        source: uint8 [N], number of the entry in the data config that each face came from; left out: 0 for all.
    """

    pixels: np.ndarray
    targets: np.ndarray
    split: np.ndarray
    subject: np.ndarray
    row: np.ndarray
    files: Sequence[str] = field(default=())
    source: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))

    def __post_init__(self):
        n = len(self.pixels)
        if not len(self.source):
            object.__setattr__(self, "source", np.zeros(n, np.uint8))
        expected = {
            "pixels": (np.uint8, (n, SIDE, SIDE)),
            "targets": (np.float32, (n, K)),
            "split": (np.uint8, (n,)),
            "subject": (np.int32, (n,)),
            "row": (np.int32, (n,)),
            "source": (np.uint8, (n,)),
        }
        for name, (dtype, shape) in expected.items():
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != shape:
                raise ValueError(f"{name} should be {np.dtype(dtype)} {shape}, is {array.dtype} {array.shape}")

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def labels(self) -> np.ndarray:
        """Most probable class of each target, int64 [N]; the first of equals, which means nothing without a label."""
        return self.targets.argmax(1)

    @property
    def labelled(self) -> np.ndarray:
        """Which faces have a label, bool [N]."""
        return (self.targets != 0).any(axis=1)

    def take(self, index: np.ndarray) -> "Faces":
        """The faces at `index` (integers or a mask), copied into memory."""
        return Faces(
            self.pixels[index],
            self.targets[index],
            self.split[index],
            self.subject[index],
            self.row[index],
            self.files,
            self.source[index],
        )

    def of_split(self, split: str) -> "Faces":
        """The faces of `train`, `val` or `test`, in raw order."""
        return self.take(np.flatnonzero(self.split == SPLITS.index(split)))

    def class_counts(self, split: str) -> dict[str, int]:
        """Number of faces per expression in a split."""
        counts = np.bincount(self.labels[(self.split == SPLITS.index(split)) & self.labelled], minlength=K)
        return dict(zip(EXPRESSIONS, counts.tolist(), strict=True))

    def origin(self, i: int) -> str:
        """Where face i came from, for a reader: a file name or `row 12`."""
        return shown(self.files[self.row[i]]) if len(self.files) else f"row {self.row[i]}"

    def csv_rows(self) -> np.ndarray | None:
        """Data row of its source's csv that each face came from, int [N]; None where one came from an image file."""
        if not len(self.files):
            return self.row
        found = [re.search(r"(?:^|: )row (\d+)$", self.origin(i)) for i in range(len(self))]  # of joined sources
        rows = [int(row[1]) for row in found if row]
        return np.array(rows, int) if len(rows) == len(self) else None


def faces_sha256(faces: Faces) -> str:
    """sha256 of pixels and labels."""
    return hashlib.sha256(faces.pixels.tobytes() + faces.labels.tobytes()).hexdigest()


def hard_targets(labels: np.ndarray) -> np.ndarray:
    """Class indices [N] -> one-hot float32 [N,7]."""
    return np.eye(K, dtype=np.float32)[labels]


def have_twin_in(pixels: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Mask [N]: which faces of uint8 [N,48,48] are pixel-identical to some face of uint8 [M,48,48]."""
    known = {face.tobytes() for face in others}
    return np.fromiter((face.tobytes() in known for face in pixels), bool, len(pixels))


def split_title(data: str, split: str) -> str:
    """What readers call a split of `data` (names joined by ", "): FER2013's own names only where all are FER2013."""
    names = {"train": "training", "val": "validation", "test": "test"}
    known = {"fer2013": "", "ferplus": "FER+ "}  # the same faces, with other labels
    systems = {name.split("+")[0] for name in data.split(", ")}
    if len(systems) == 1 and systems <= known.keys():
        official = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}
        return known[systems.pop()] + official[split]
    return names[split]
