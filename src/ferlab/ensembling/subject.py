"""What is measured, exported or learned from: a run, several runs as one ensemble, or an ensemble chosen on val."""

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ferlab.ensembling import frozen
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.files import Json, refuse_name
from ferlab.predictors import answers, predictor, views
from ferlab.predictors.of_run import predictor_of
from ferlab.predictors.progress import track
from ferlab.predictors.views import View, ViewSet
from ferlab.runs.directory import Run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subject:
    """M runs and how their probabilities become one.

    Attributes:
        members: the runs, M of them.
        weights: M of sum 1; None for equal ones.
        temperatures: M; None for none.
        specialists: runs of the second stage; `pairs` are the classes that they separate.
        home: the directory of the run or the ensemble; None of an ensemble that has none yet.
        choice: of an ensemble that was chosen on val, what its members.json holds; else None.
    """

    members: tuple[Run, ...]
    weights: tuple[float, ...] | None = None
    temperatures: tuple[float, ...] | None = None
    specialists: tuple[Run, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    home: Path | None = None
    choice: Mapping[str, Any] | None = None

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs whose weights take part: the members, then the specialists."""
        return (*self.members, *self.specialists)

    @property
    def name(self) -> str:
        """Of its directory; of an ensemble without one, that which `frozen.freeze` would give it."""
        return Path(os.path.abspath(self.home)).name if self.home else frozen.name_of(self.members)

    @property
    def folder(self) -> Path:
        """Its directory.

        Raises:
            FerlabError: an ensemble that has none yet; `settled` gives it one.
        """
        if self.home is None:
            raise FerlabError(f"the ensemble {self.name} has no directory yet; evaluate it first")
        return self.home

    @property
    def is_run(self) -> bool:
        """True for one run by itself."""
        return len(self.runs) == 1 and self.home == self.members[0].path

    @property
    def sha256(self) -> str | None:
        """Checksum of what was frozen on val; None where nothing was."""
        return self.choice["sha256"] if self.choice else None

    @property
    def chosen_how(self) -> Json | None:
        """What a report states of an ensemble that was chosen on val besides its runs; None of anything else."""
        if self.choice is None:
            return None
        found = {key: self.choice[key] for key in ("method", "size", "chosen_on", "frozen_at")}
        found |= {"weights": list(self.weights or ()), "temperatures": list(self.temperatures or ())}
        found["specialists"] = {one["name"]: one["pair"] for one in self.choice["specialists"]}
        return found | {"ensemble_sha256": self.sha256}

    @property
    def frozen_views(self) -> ViewSet | None:
        """The view set that a chosen ensemble was frozen with; None of anything else."""
        if self.choice is None:
            return None
        refuse_name(self.choice["tta"], f"tta in {self.home}", found=True)  # reports are called so
        kept = tuple(View(mirror, tuple(shift), zoom, turn) for mirror, shift, zoom, turn in self.choice["views"])
        return ViewSet(self.choice["tta"], kept, self.choice["tta_space"])

    def settled(self, outputs: Path, name: str | None = None) -> "Subject":
        """The same with a directory: an ensemble that has none gets outputs/ensembles/`name`, with members.json in it.

        Raises:
            FerlabError: a name for what has one, or one that stands for other weights.
        """
        if self.home is None:
            return Subject(self.members, home=frozen.freeze(self.members, outputs, name))
        if self.is_run and name is not None:
            raise FerlabError(f"name={name} is for an ensemble, and runs names only {self.name}; leave out name")
        if name not in (None, self.home.name):
            raise FerlabError(f"name={name} is for runs, and {self.home} has a name; leave out name")
        return self

    def view_sets(self, tta: str | Sequence[str] | None, space: str | None) -> tuple[ViewSet, ...]:
        """The view sets to measure in: the frozen one, those that `tta` names, or for None the face alone.

        Raises:
            FerlabError: unknown names, or others than the frozen ones.
        """
        names = list(dict.fromkeys([tta] if isinstance(tta, str) else ["none"] if tta is None else tta))
        if not names:
            raise FerlabError("tta is empty; choose from " + ", ".join(views.VIEWS))
        wanted = tuple(views.view_set(name, space or views.SPACES[0]) for name in names)
        if (kept := self.frozen_views) is None:
            return wanted
        titles = [one.title for one in wanted]
        if (tta is not None or space is not None) and titles != [kept.title]:
            raise FerlabError(
                f"{self.home} was chosen with tta={kept.name} tta_space={kept.space}, not {', '.join(titles)}; "
                "leave out tta and tta_space"
            )
        return (kept,)

    def combine(self, by_run: Sequence[Tensor]) -> Tensor:
        """Probabilities [N,7] of each of `runs`, averaged over its views already, -> [N,7]."""
        n = len(self.members)
        weights = self.weights or (1 / n,) * n
        base = predictor.mean_of(by_run[:n], weights, self.temperatures or (1.0,) * n)
        return predictor.resplit(base, self.pairs, by_run[n:]) if self.pairs else base

    def by_run(
        self, pixels: np.ndarray, sets: Sequence[ViewSet], batch_size: int, device: torch.device
    ) -> dict[str, list[Tensor]]:
        """Title of each view set -> probabilities [N,7] of each of `runs`, for faces uint8 [N,48,48].

        One net at a time; sets share the views that they have in common.
        """
        union = list(dict.fromkeys(view for one in sets for view in one.views))
        found: dict[str, list[Tensor]] = {one.title: [] for one in sets}
        for run in track(self.runs, "runs"):
            by_view = torch.from_numpy(
                predictor.predict_views(predictor_of(run), pixels, union, batch_size, device)
            )  # [V,N,7]
            for one in sets:
                found[one.title].append(predictor.mean_over(by_view[[union.index(v) for v in one.views]], one.space))
        return found

    def ask(
        self, pixels: np.ndarray, sets: Sequence[ViewSet], folder: Path, batch_size: int, device: torch.device
    ) -> dict[str, np.ndarray]:
        """Title of each view set -> probabilities float32 [N,7] of faces uint8 [N,48,48], kept in `folder`.

        Raises:
            FerlabError: a checkpoint is damaged, or the disk refuses.
        """

        def compute(some: np.ndarray, titles: Sequence[str]) -> dict[str, np.ndarray]:
            log.info("%s: %d faces to compute in %s", self.name, len(some), ", ".join(titles))
            missing = [one for one in sets if one.title in titles]
            by_run = self.by_run(some, missing, batch_size, device)
            return {title: self.combine(probabilities).numpy() for title, probabilities in by_run.items()}

        return answers.ask(pixels, {one.title: self.kept(one, folder) for one in sets}, compute)

    def kept(self, view_set: ViewSet, folder: Path) -> answers.Kept:
        """Where the probabilities in a view set are kept: a file of these weights, in whatever order, and views."""
        weights = [run.weights_sha256 for run in self.runs]
        identity = [sorted(weights), view_set.title, [list(view) for view in view_set.views]]
        provenance: Json = {
            "members": [run.name for run in self.runs],
            "weights_sha256": weights,
            "tta": view_set.title,
            "expressions": list(EXPRESSIONS),
        }
        if self.sha256:
            identity.append(self.sha256)
            provenance["ensemble_sha256"] = self.sha256
        name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
        return answers.Kept(folder / f"{name}.npz", provenance)

    def predictor(self, view_set: ViewSet) -> nn.Module:
        """Faces [B,1,48,48] -> probabilities [B,7]: each run over these views, their mean, then the specialists.

        One run by itself is its own model, and the face alone is no view set: nothing is wrapped without need.
        """
        nets: list[nn.Module] = [predictor_of(run) for run in self.runs]
        if view_set.views != (View(),):
            nets = [predictor.TestTimeAugmentation(net, view_set.views, view_set.space) for net in nets]
        members, specialists = nets[: len(self.members)], nets[len(self.members) :]
        alone = len(members) == 1 and self.temperatures in (None, (1.0,))
        base = members[0] if alone else predictor.Ensemble(members, self.weights, self.temperatures)
        return predictor.Specialised(base, self.pairs, specialists) if self.pairs else base


def of_run(run: Run) -> Subject:
    """One run by itself."""
    return Subject((run,), home=run.path)
