"""Keys of an entry of a data config that say how its faces are used, whatever its layout."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from ferlab.data.faces import Faces
from ferlab.errors import FerlabError

_CHOICES = {"take": ("all", "train"), "labels": ("own", "teacher"), "optional": (False, True)}


@dataclass(frozen=True)
class Use:
    """How the faces of one entry are used.

    Attributes:
        optional: of `sources`: the entry is left out where its files are not there. Auxiliary entries always are.
        take: of `auxiliary`: `all` faces are for training, or those of its own `train` split, so that its val and test
            stay unseen.
        labels: of `auxiliary`: its `own`, or the `teacher`'s alone: such faces have targets of zeros.
    """

    optional: bool = False
    take: str = "all"
    labels: str = "own"

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> tuple[Self, dict[str, Any]]:
        """The use that an entry states, and the entry without it.

        Raises:
            FerlabError: a value that none of these keys knows.
        """
        stated = {key: entry[key] for key in _CHOICES if key in entry}
        for key, value in stated.items():
            if value not in _CHOICES[key]:
                choices = " or ".join(str(choice).lower() for choice in _CHOICES[key])
                raise FerlabError(f"{entry.get('name')}: {key} is {value!r}; choose {choices}")
        return cls(**stated), {key: value for key, value in entry.items() if key not in stated}

    def for_training(self, faces: Faces) -> Faces:
        """The faces of an auxiliary entry that may be trained on, all of the split `train`, still with their labels."""
        faces = faces.of_split("train") if self.take == "train" else faces
        return replace(faces, split=np.zeros_like(faces.split)) if faces.split.any() else faces

    def labelled(self, faces: Faces) -> Faces:
        """The same faces without targets where only a teacher is to know them."""
        return faces if self.labels == "own" else replace(faces, targets=np.zeros_like(faces.targets))
