"""Finished runs and a split in, one report per set of views out; a look at a test split stands in the ledger first."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ferlab import ensembles, ledger, predictors, report, runs
from ferlab.data.faces import SPLITS, Faces, have_twin_in
from ferlab.errors import FerlabError

log = logging.getLogger(__name__)


class Split(NamedTuple):
    """The faces of one split, which of them stand in training too, and the checksum of pixels and labels."""

    faces: Faces
    twins: np.ndarray
    sha256: str


class Evaluation:
    """What is measured and how, over any number of runs: a data set that several of them share is opened once.

    Several sets of views share the probabilities of the views they have in common, and are one look in the ledger.

    Args:
        tta: names of one or several sets of views.
        split: `val` or `test`.
        batch_size: views that a net sees at once.
        device: `auto`, `cpu` or `cuda`.
        outputs: holds the directories of ensembles; a single run's reports lie beside its weights.
        ledger_path: where looks at a test split are counted.
        skip_measured: leave out a set of views whose report of the same weights on the same faces is there.

    Raises:
        FerlabError: unknown split, views or device.
    """

    def __init__(
        self,
        tta: str | Sequence[str],
        split: str,
        batch_size: int = 1024,
        device: str = "auto",
        outputs: str | Path = "outputs",
        ledger_path: str | Path = "outputs/ledger.jsonl",
        skip_measured: bool = False,
    ):
        if split not in SPLITS[1:]:
            raise FerlabError(f"split is {split!r}; choose val or test")
        self.sets = {name: views_of(name) for name in ([tta] if isinstance(tta, str) else tta)}
        if not self.sets:
            raise FerlabError("tta is empty; choose from " + ", ".join(predictors.VIEWS))
        self.split, self.batch_size, self.device = split, batch_size, device_of(device)
        self.outputs, self.ledger_path, self.skip_measured = Path(outputs), Path(ledger_path), skip_measured
        self._opened: dict[str, Split] = {}

    def measure(self, members: Sequence[runs.Run], name: str | None = None) -> list[Path]:
        """Measure one run, or several as an ensemble, which may be given a name.

        Returns:
            For each set of views the folder of its report.

        Raises:
            FerlabError: unfinished runs, but one by itself on val; members that are measured on different faces; a name
                that stands for other members.
        """
        if len(members) > 1 or self.split == "test":
            refuse_unfinished(members)
        shared = self.shared(members)
        if len(members) == 1:
            folder, name = members[0].path, members[0].name
        else:
            folder = ensembles.freeze(members, self.outputs, name)
            name = folder.name
        reports = {tta: folder / "reports" / f"{self.split}-{tta}" for tta in self.sets}
        left = dict(self.sets)
        if self.skip_measured:
            there = [t for t, views in left.items() if _is_of(reports[t], members, shared.sha256, views)]
            left = {tta: views for tta, views in left.items() if tta not in there}
            if there:
                log.info("%s, %s: measured already: %s", name, self.split, ", ".join(there))
        if left:
            self._write({reports[tta]: (tta, views) for tta, views in left.items()}, members, name, shared)
        return list(reports.values())

    def _write(
        self,
        wanted: Mapping[Path, tuple[str, tuple[predictors.View, ...]]],
        members: Sequence[runs.Run],
        name: str,
        shared: Split,
    ) -> None:
        predictor = runs.vote(members)
        union = list(dict.fromkeys(view for _, views in wanted.values() for view in views))
        pixels = shared.faces.pixels
        by_view = predictors.predict_views(predictor, pixels, union, self.batch_size, self.device)  # [V,N,7]

        provenance = provenance_of(members, name, self.split)
        provenance |= {"faces_sha256": shared.sha256, "evaluated_on": str(self.device)}
        if self.split == "test":
            hashes, names = [run.weights_sha256 for run in members], [tta for tta, _ in wanted.values()]
            data, commit = provenance["data"], provenance["evaluated_commit"]
            entry = ledger.look(self.ledger_path, provenance["members"], hashes, data, self.split, commit, names)
            provenance |= {key: entry[key] for key in ("looks_before", "looks_before_at_data")}
        rows = members[0].metrics_rows() if len(members) == 1 else ()
        for folder, (tta, views) in wanted.items():
            probabilities = by_view[[union.index(view) for view in views]].mean(0)  # [N,7]
            measured = report.measure(probabilities, shared.faces, shared.twins)
            told = provenance | {"tta": tta, "views": [list(view) for view in views]}
            report.write_report(folder, measured, told, probabilities, shared.faces, rows)

    def shared(self, members: Sequence[runs.Run]) -> Split:
        """The split that all members are measured on; twins are those of the data of any of them."""
        opened = [self._open(run) for run in members]
        first, twins = opened[0], np.zeros(len(opened[0].faces), bool)
        for run, other in zip(members, opened, strict=True):
            if other.sha256 != first.sha256:
                raise FerlabError(
                    f"{members[0].name} and {run.name} have different {self.split} faces ({len(first.faces)} of sha256 "
                    f"{first.sha256[:8]}, {len(other.faces)} of {other.sha256[:8]}); an ensemble needs members of the "
                    "same main data"
                )
            twins |= other.twins
        return first._replace(twins=twins)

    def _open(self, run: runs.Run) -> Split:
        key = json.dumps(run.config["data"], sort_keys=True)
        if key not in self._opened:
            faces = run.faces()
            own = faces.of_split(self.split)
            if not len(own):
                raise FerlabError(
                    f"the data of {run.name} has no {self.split} faces; choose the other split or other data"
                )
            checksum = hashlib.sha256(own.pixels.tobytes() + own.labels.tobytes()).hexdigest()
            twins = have_twin_in(own.pixels, faces.pixels[faces.split == SPLITS.index("train")])
            self._opened[key] = Split(own, twins, checksum)
        return self._opened[key]


def finished(run: runs.Run) -> bool:
    return run.info.get("status", "finished") == "finished"


def refuse_unfinished(members: Sequence[runs.Run]) -> None:
    """Only a single run on val may be looked at while it trains: what is published or frozen has an end."""
    if unfinished := [run.name for run in members if not finished(run)]:
        raise FerlabError(f"{', '.join(unfinished)} unfinished; expected finished runs: train with ckpt=last first")


def views_of(name: str) -> tuple[predictors.View, ...]:
    """`predictors.views_named` for what was typed: raises FerlabError for an unknown name."""
    try:
        return predictors.views_named(name)
    except ValueError as error:
        raise FerlabError(str(error)) from None


def device_of(name: str) -> torch.device:
    """`auto`, `cpu` or `cuda` as what is there; raises FerlabError for another name, or cuda where there is none."""
    if name not in ("auto", "cpu", "cuda"):
        raise FerlabError(f"device is {name!r}; choose auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise FerlabError("device is 'cuda' and torch finds none here; type device=cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _is_of(folder: Path, members: Sequence[runs.Run], checksum: str, views: Sequence[predictors.View]) -> bool:
    """Whether a folder holds the report of these weights on these faces in these views."""
    try:
        told = json.loads((folder / "report.json").read_text())
    except (OSError, ValueError):
        return False
    weights = sorted(run.weights_sha256 for run in members)
    found = sorted(told.get("weights_sha256", ())), told.get("faces_sha256"), told.get("views")
    return found == (weights, checksum, json.loads(json.dumps(views)))


def provenance_of(members: Sequence[runs.Run], name: str, split: str) -> dict[str, Any]:
    """What a report says besides numbers: of a run what run.json says, of an ensemble what its members share."""
    one = len(members) == 1
    told: dict[str, Any] = {
        "name": name,
        "model": members[0].info.get("model") if one else "ensemble",
        "members": [run.name for run in members],
        "data": ", ".join(dict.fromkeys(str(run.info.get("data")) for run in members)),
        "split": split,
        "weights_sha256": [run.weights_sha256 for run in members],
        "evaluated_commit": runs.commit(),
        "evaluated_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": runs.environment(),
        "config": members[0].config if one else {run.name: run.config for run in members},
        "run": members[0].info if one else {run.name: run.info for run in members},
    }
    for key in ("class_weights", "seed", "commit", "best_epoch", "parameters"):
        values = [run.info.get(key) for run in members]
        # An ensemble has no seed of its own: what its members do not share is one value per member.
        told[key] = values[0] if all(value == values[0] for value in values) else values
    if not one and None not in (counts := [run.info.get("parameters") for run in members]):
        told["parameters"] = sum(counts)
    return told
