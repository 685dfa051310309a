"""Finished runs and a split in, one report per set of views out; a look at a test split stands in the ledger first."""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ferlab import ensembles, hindsight, ledger, predictors, report, runs, views
from ferlab.data.faces import SPLITS, Faces, checksum, have_twin_in
from ferlab.errors import FerlabError

log = logging.getLogger(__name__)


class Split(NamedTuple):
    """The faces of one split, which of them stand in training too, and the checksum of pixels and labels."""

    faces: Faces
    twins: np.ndarray
    sha256: str


class Seen(NamedTuple):
    """A set of views, and the space in which a run's answers to them are averaged."""

    name: str
    views: tuple[views.View, ...]
    space: str

    @property
    def title(self) -> str:
        return views.title(self.name, self.space)


class Evaluation:
    """What is measured and how, over any number of runs: a data set that several of them share is opened once.

    Several sets of views share the probabilities of the views they have in common, and are one look in the ledger.

    Args:
        tta: names of one or several sets of views; None for those of an ensemble chosen on val, else the face alone.
        split: `val` or `test`.
        space: `probability` or `logit`, in which views are averaged; None for a chosen ensemble's, else probability.
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
        tta: str | Sequence[str] | None,
        split: str,
        batch_size: int = 1024,
        device: str = "auto",
        outputs: str | Path = "outputs",
        ledger_path: str | Path = "outputs/ledger.jsonl",
        skip_measured: bool = False,
        space: str | None = None,
    ):
        if split not in SPLITS[1:]:
            raise FerlabError(f"split is {split!r}; choose val or test")
        names = list(dict.fromkeys([tta] if isinstance(tta, str) else ["none"] if tta is None else tta))
        if not names:
            raise FerlabError("tta is empty; choose from " + ", ".join(views.VIEWS))
        self.sets = [seen_as(name, space or views.SPACES[0]) for name in names]
        self.said = [seen.title for seen in self.sets] if tta is not None or space is not None else None
        self.split, self.batch_size, self.device = split, batch_size, device_of(device)
        self.outputs, self.ledger_path, self.skip_measured = Path(outputs), Path(ledger_path), skip_measured
        self._opened: dict[str, Split] = {}

    def measure(self, measured: Sequence[runs.Run] | ensembles.Vote, name: str | None = None) -> list[Path]:
        """Measure one run, several as an ensemble, which may be given a name, or an ensemble that was chosen on val.

        Returns:
            For each set of views the folder of its report.

        Raises:
            FerlabError: unfinished runs, but one by itself on val; members that are measured on different faces; a name
                that stands for other members.
        """
        vote = measured if isinstance(measured, ensembles.Vote) else ensembles.Vote(tuple(measured))
        members = vote.asked
        if len(members) > 1 or self.split == "test":
            refuse_unfinished(members)
        frozen = frozen_seen(vote, self.said)
        sets = [frozen] if frozen else self.sets
        shared = self.shared(members)
        if vote.folder:
            folder, name = vote.folder, vote.folder.name
        elif len(members) == 1:
            folder, name = members[0].path, members[0].name
        else:
            folder = ensembles.freeze(members, self.outputs, name)
            name = folder.name
        reports = {folder / "reports" / f"{self.split}-{seen.title}": seen for seen in sets}
        left = dict(reports)
        if self.skip_measured:
            there = [path for path, seen in left.items() if _is_of(path, vote, shared.sha256, seen)]
            left = {path: seen for path, seen in left.items() if path not in there}
            if there:
                already = ", ".join(reports[path].title for path in there)
                log.info("%s, %s: measured already: %s", name, self.split, already)
        if left:
            self._write(left, vote, name, shared)
        return list(reports)

    def _write(self, wanted: Mapping[Path, Seen], vote: ensembles.Vote, name: str, shared: Split) -> None:
        union = list(dict.fromkeys(view for seen in wanted.values() for view in seen.views))
        faces, ask = shared.faces, (self.batch_size, self.device)
        # One net at a time, each view once: [V,N,7] of each run.
        by_run = [predictors.predict_views(run.predictor(), faces.pixels, union, *ask) for run in vote.asked]

        provenance = provenance_of(vote.asked, name, self.split) | vote.choice
        provenance |= {"faces_sha256": shared.sha256, "evaluated_on": str(self.device)}
        if self.split == "test":
            hashes, titles = provenance["weights_sha256"], [seen.title for seen in wanted.values()]
            data, commit = provenance["data"], provenance["evaluated_commit"]
            looked = (self.ledger_path, provenance["members"], hashes, data, self.split, commit, titles, vote.sha256)
            entry = ledger.look(*looked)
            provenance |= {key: entry[key] for key in ("looks_before", "looks_before_at_data")}
        rows = vote.members[0].metrics_rows() if name == vote.members[0].name else ()
        for folder, seen in wanted.items():
            places = [union.index(view) for view in seen.views]
            answers = [views.mean_over(torch.from_numpy(given[places]), seen.space) for given in by_run]
            probabilities = vote.combine(answers).numpy()  # [N,7]
            measured = report.measure(probabilities, faces, shared.twins)
            told = provenance | {"tta": seen.title, "tta_space": seen.space, "views": [list(v) for v in seen.views]}
            if vote.about and self.split == "test":
                told["hindsight"] = hindsight.gap(vote, answers, faces.labels, measured["accuracy"])
            report.write_report(folder, measured, told, probabilities, faces, rows)

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
            twins = have_twin_in(own.pixels, faces.pixels[faces.split == SPLITS.index("train")])
            self._opened[key] = Split(own, twins, checksum(own))
        return self._opened[key]


def finished(run: runs.Run) -> bool:
    return run.info.get("status", "finished") == "finished"


def refuse_unfinished(members: Sequence[runs.Run]) -> None:
    """Only a single run on val may be looked at while it trains: what is published or frozen has an end."""
    if unfinished := [run.name for run in members if not finished(run)]:
        raise FerlabError(f"{', '.join(unfinished)} unfinished; expected finished runs: train with ckpt=last first")


def seen_as(name: str, space: str) -> Seen:
    try:
        found = views.views_named(name)
        return Seen(name, found, views.space_named(space, found))
    except ValueError as error:
        raise FerlabError(str(error)) from None


def frozen_seen(vote: ensembles.Vote, said: Sequence[str] | None) -> Seen | None:
    """The views that an ensemble which was chosen on val was frozen with; None of anything else.

    Args:
        said: titles of the sets that were asked for; None where none was.

    Raises:
        FerlabError: others were asked for.
    """
    if vote.frozen_views is None:
        return None
    frozen = Seen(*vote.frozen_views)
    if said is not None and list(said) != [frozen.title]:
        raise FerlabError(
            f"{vote.folder} was chosen with tta={frozen.name} tta_space={frozen.space}, "
            f"not {', '.join(said)}; leave out tta and tta_space"
        )
    return frozen


def device_of(name: str) -> torch.device:
    """`auto`, `cpu` or `cuda` as what is there; raises FerlabError for another name, or cuda where there is none."""
    if name not in ("auto", "cpu", "cuda"):
        raise FerlabError(f"device is {name!r}; choose auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise FerlabError("device is 'cuda' and torch finds none here; type device=cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _is_of(folder: Path, vote: ensembles.Vote, checksum: str, seen: Seen) -> bool:
    """Whether a folder holds the report of these weights, voting like this, on these faces in these views."""
    try:
        told = json.loads((folder / "report.json").read_text())
    except (OSError, ValueError):
        return False
    weights = sorted(run.weights_sha256 for run in vote.asked)
    found = sorted(told.get("weights_sha256", ())), told.get("faces_sha256"), told.get("views")
    # Reports from before spaces could be chosen do not name theirs.
    how = told.get("tta_space", views.SPACES[0]), told.get("ensemble_sha256")
    wanted = weights, checksum, json.loads(json.dumps(seen.views))
    return (*found, *how) == (*wanted, seen.space, vote.sha256)


def provenance_of(members: Sequence[runs.Run], name: str, split: str) -> dict[str, Any]:
    """What a report says besides numbers: of a run what run.json says, of an ensemble what its members share."""
    one = len(members) == 1 and members[0].name == name
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
