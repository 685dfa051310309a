"""The faces of one split that several runs are measured on."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ferlab.data.faces import SPLITS, Faces, faces_sha256, have_twin_in
from ferlab.data.labels import labels_of
from ferlab.data.store import open_config
from ferlab.errors import FerlabError
from ferlab.runs import directory
from ferlab.runs.directory import Run

log = logging.getLogger(__name__)


class Split(NamedTuple):
    """The faces of one split, which of them stand in training too, and the checksum of pixels and labels."""

    faces: Faces
    twins: np.ndarray
    sha256: str


class Splits:
    """Opens one split of the data of runs; data that several runs share are opened once.

    Args:
        name: `val` or `test`.

    Raises:
        FerlabError: another name.
    """

    def __init__(self, name: str):
        if name not in SPLITS[1:]:
            raise FerlabError(f"split is {name!r}; choose val or test")
        self.name = name
        self._opened: dict[str, Split] = {}

    def shared(self, runs: Sequence[Run]) -> Split:
        """The split that all runs are measured on; twins are those of the data of any of them.

        Raises:
            FerlabError: a split without faces, or runs whose faces differ.
        """
        opened = [self._of(run) for run in runs]
        first, twins = opened[0], np.zeros(len(opened[0].faces), bool)
        for run, other in zip(runs, opened, strict=True):
            if other.sha256 != first.sha256:
                raise FerlabError(
                    f"{runs[0].name} and {run.name} have different {self.name} faces ({len(first.faces)} of sha256 "
                    f"{first.sha256[:8]}, {len(other.faces)} of {other.sha256[:8]}); an ensemble needs members of the "
                    "same main data"
                )
            twins |= other.twins
        return first._replace(twins=twins)

    def of_data(self, data: Mapping[str, Any], runs: Sequence[Run], needed: bool = True) -> Split:
        """The split of a data config (conf/data/*.yaml) that the runs need not have been trained on.

        Args:
            needed: False leaves out of the twins what a run was trained on that is not on this machine.

        Raises:
            FerlabError: the data have no such faces, or the runs were trained for several label systems.
        """
        refuse_mixed(runs)
        faces = open_config(data).of_split(self.name)
        if not len(faces):
            raise FerlabError(
                f"data={data['name']} has no {self.name} faces; choose one of split={', '.join(SPLITS[1:])}"
            )
        twins = np.zeros(len(faces), bool)
        for run in runs:
            twins |= have_twin_in(faces.pixels, _trained_on(run, needed))
        return Split(faces, twins, faces_sha256(faces))

    def _of(self, run: Run) -> Split:
        key = json.dumps(directory.data_of(run), sort_keys=True)
        if key not in self._opened:
            faces = run.faces()
            own = faces.of_split(self.name)
            if not len(own):
                raise FerlabError(
                    f"the data of {run.name} has no {self.name} faces; choose the other split or other data"
                )
            twins = have_twin_in(own.pixels, faces.pixels[faces.split == SPLITS.index("train")])
            self._opened[key] = Split(own, twins, faces_sha256(own))
        return self._opened[key]


def refuse_mixed(runs: Sequence[Run]) -> None:
    """Raise FerlabError where runs were trained for several label systems, which one probability cannot serve."""
    known = {labels_of(run.config.get("data", {})): run.name for run in runs}
    if len(known) > 1:
        which = ", ".join(f"{name} for {labels}" for labels, name in known.items())
        raise FerlabError(f"these runs were trained for different labels ({which}); an ensemble needs one label system")


def _trained_on(run: Run, needed: bool) -> np.ndarray:
    """Training faces of a run, uint8 [N,48,48]; none where they are not here and not needed."""
    try:
        return run.faces().of_split("train").pixels
    except FerlabError as error:
        if needed:
            raise
        log.warning("%s: its training faces are not here, so none of these is known to be one: %s", run.name, error)
        return np.zeros((0, 48, 48), np.uint8)
