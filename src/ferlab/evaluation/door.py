"""The one door to a split: a subject in; its faces, view sets and provenance out, and a look that is counted.

Whoever wants a number of a subject opens it here. A look at a test split stands in the ledger before any number of it
is known; this file alone writes the ledger.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, NotRequired, Self

import numpy as np
import torch
from pydantic import Field
from typing_extensions import TypedDict

from ferlab.data.faces import Faces
from ferlab.data.labels import labels_of
from ferlab.ensembling import named
from ferlab.ensembling.subject import Subject
from ferlab.errors import FerlabError
from ferlab.evaluation import ledger, report
from ferlab.files import refuse_name, refuse_unwritable
from ferlab.inference.onnx_model import OnnxModel
from ferlab.predictors.predictor import device_of
from ferlab.predictors.views import VIEWS, ViewSet
from ferlab.runs import provenance, shapes
from ferlab.runs.directory import Run, refuse_unfinished
from ferlab.runs.provenance import Provenance
from ferlab.runs.split import Splits

# Room that a report or a study takes: its page and pictures, and what it keeps of each face.
_BYTES, _BYTES_A_FACE = 4 << 20, 64


@dataclass(frozen=True)
class Opened:
    """What is to be measured on, and what a result must state.

    Attributes:
        faces: the N faces of the split.
        twins: bool [N], pixel-identical to a face that a run was trained on.
        provenance: what a result must state; looks are in it after `look`.
        ledger: where looks at a test split are counted.
    """

    faces: Faces
    twins: np.ndarray
    provenance: Provenance
    ledger: Path

    def refuse_unwritable(self, folders: Sequence[Path]) -> None:
        """Raises FerlabError where a report or a study of these faces has no room in one of the folders."""
        for folder in folders:
            refuse_unwritable(folder, _BYTES + len(self.faces) * _BYTES_A_FACE)

    def look(self, titles: Sequence[str], folders: Sequence[Path]) -> Self:
        """The same, after a look at a test split was counted; val may be looked at freely.

        Args:
            titles: what the look is for: the titles of view sets, or a kind of study.
            folders: where it will be reported. A look that cannot be reported is not taken.

        Raises:
            FerlabError: a folder or the ledger cannot be written, or the ledger holds a line that is no entry.
        """
        self.refuse_unwritable(folders)
        of = self.provenance
        if of.split != "test":
            return self
        names, frozen = self._known_by()
        entry = ledger.look(
            self.ledger, names, of.weights_sha256, of.data, of.split, of.evaluated_commit, titles, frozen
        )
        looks = {key: entry[key] for key in ("looks_before", "looks_before_at_data")}
        return replace(self, provenance=replace(of, **looks))

    def _known_by(self) -> tuple[Sequence[str], str | None]:
        """Names in the ledger, and the checksum of a frozen ensemble. An exported file is known by its own name."""
        return [self.provenance.name], None


@dataclass(frozen=True)
class OpenedRuns(Opened):
    """A subject on a split.

    Attributes:
        subject: a run or an ensemble.
        view_sets: those to measure in.
        device: where the nets compute.
    """

    subject: Subject
    view_sets: Sequence[ViewSet]
    device: torch.device

    def _known_by(self) -> tuple[Sequence[str], str | None]:
        return self.provenance.members, self.subject.sha256


class _StatedConfig(TypedDict):
    data: shapes.Data


class _StatedRun(TypedDict):
    name: str
    config: _StatedConfig
    info: shapes.Info


class _StatedVal(TypedDict):
    accuracy: float


class _Stated(TypedDict):
    """What the JSON of an exported model must hold to be evaluated; a foreign one may lack what has `_UNSTATED`."""

    precision: NotRequired[str]
    data: str
    commit: NotRequired[str]
    tta: NotRequired[str]
    views: NotRequired[list[Any]]
    val_faces_sha256: NotRequired[str]
    val: NotRequired[_StatedVal]
    runs: Annotated[list[_StatedRun], Field(min_length=1)]


# Of a model that ferlab did not export: without a commit of ferlab it is known as foreign.
_UNSTATED = {"precision": "foreign", "commit": None, "tta": "none", "views": [list(view) for view in VIEWS["none"]]}


class Door:
    """Opens subjects on one split; data that several share are opened once.

    Args:
        split: `val` or `test`.
        tta: names of one or several view sets; None for those of an ensemble chosen on val, else the face alone.
        space: `probability` or `logit`, in which views are averaged; None for a chosen ensemble's, else probability.
        data: None for the data of each subject's own, else a data config (conf/data/*.yaml).
        device: `auto`, `cpu` or `cuda`.
        ledger_path: where looks at a test split are counted.

    Raises:
        FerlabError: unknown split or device, or no ledger.
    """

    def __init__(
        self,
        split: str,
        tta: str | Sequence[str] | None = None,
        space: str | None = None,
        data: Mapping[str, Any] | None = None,
        device: str = "auto",
        ledger_path: str | Path | None = "outputs/ledger.jsonl",
    ):
        if ledger_path is None:
            raise FerlabError("ledger is null, and looks at a test split are counted; type ledger=FILE")
        if data:
            refuse_name(data["name"], "data.name")  # studies of it are called so
        self._splits, self._tta, self._space, self._data = Splits(split), tta, space, data
        self.split, self.device, self.ledger_path = split, device_of(device), Path(ledger_path)

    def folder_of(self, home: Path, views: str) -> Path:
        """Where the report of a subject's directory in a view set goes; what is of other data lies apart."""
        if self._data is None:
            return home / "reports" / f"{self.split}-{views}"
        return home / report.ELSEWHERE / f"{self._data['name']}-{self.split}-{views}"

    @property
    def elsewhere(self) -> bool:
        """Whether this door opens other data than the subjects' own."""
        return self._data is not None

    def open(self, subject: Subject) -> OpenedRuns:
        """A subject on the split.

        Raises:
            FerlabError: unfinished runs, but one by itself on val; runs with different faces; no faces; unknown views
                or others than an ensemble was frozen with.
        """
        runs = subject.runs
        if len(runs) > 1 or self.split == "test":
            refuse_unfinished(runs)
        view_sets = subject.view_sets(self._tta, self._space)
        faces = self._splits.of_data(self._data, runs) if self._data else self._splits.shared(runs)
        found = provenance.of_runs(
            runs,
            subject.name,
            subject.is_run,
            split=self.split,
            faces_sha256=faces.sha256,
            evaluated_on=str(self.device),
            data=self._data,
            ensemble=subject.chosen_how,
        )
        return OpenedRuns(faces.faces, faces.twins, found, self.ledger_path, subject, view_sets, self.device)

    def open_exported(self, model: OnnxModel) -> Opened:
        """An exported model on the split of this door's data, else of the data that its JSON names.

        Raises:
            FerlabError: no such data or faces.
        """
        file = model.path.with_suffix(".json")
        shapes.read(_Stated, model.sidecar, file, "export the run anew, or see docs/field.md for a foreign model")
        stated = {"file": model.path.name, **_UNSTATED, **model.sidecar}
        refuse_name(stated["tta"], f"tta in {file}", found=True)  # its report is called so
        runs = []
        for run in stated["runs"]:
            refuse_name(run["name"], f"the name of a run in {file}", found=True)
            data = run["config"]["data"] | {"root": "data"}  # as export writes it: no other folder of this machine
            runs.append(Run(Path(run["name"]), run["config"] | {"data": data}, run["info"]))
        # Whoever has the file alone may measure it on other data, without the faces that it was trained on.
        faces = self._splits.of_data(self._data, runs, needed=False) if self._data else self._splits.shared(runs)
        one, trained = runs[0].info if len(runs) == 1 else {}, labels_of(runs[0].config["data"])
        found = Provenance(
            name=model.path.stem,
            model=f"{one.get('model', 'ensemble')}, {stated['precision']} ONNX",
            members=[run.name for run in runs],
            data=self._data["name"] if self._data else stated["data"],
            label_system=labels_of(self._data) if self._data else trained,
            trained_label_system=trained,
            split=self.split,
            weights_sha256=[stated["sha256"]],
            faces_sha256=faces.sha256,
            evaluated_on="onnxruntime, cpu",
            class_weights=one.get("class_weights"),
            seed=one.get("seed") if one else [run.info.get("seed") for run in runs],
            commit=stated["commit"],
            parameters=one.get("parameters"),
            tta=stated["tta"],
            views=stated["views"],
            export=stated,
        )
        return Opened(faces.faces, faces.twins, found, self.ledger_path)


def opened(runs: str | Sequence[str] | None, door: Door) -> Iterator[OpenedRuns]:
    """Each run and ensemble that `runs` names, opened one after another.

    Raises:
        FerlabError: as `named.each` and `Door.open`.
    """
    for one in named.each(runs):
        yield door.open(one)
