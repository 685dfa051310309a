"""A run or an ensemble opened with the faces of one split, for the commands that ask more of it than its accuracy.

What a study finds goes to RUN/KIND/SPLIT[-TTA]/: KIND.json, pictures and index.html. This file alone decides where,
and that a study of a test split stands in the ledger before any number of it is known.
"""

import glob
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ferlab import files
from ferlab.data import faces
from ferlab.data.faces import Faces
from ferlab.ensembling import subject
from ferlab.ensembling.subject import frozen_view_set
from ferlab.errors import FerlabError
from ferlab.evaluation import ledger
from ferlab.pages.sections import render_page
from ferlab.predictors import predictor, views
from ferlab.predictors.predictor import device_of
from ferlab.predictors.views import view_set
from ferlab.runs import directory
from ferlab.runs.directory import refuse_unfinished
from ferlab.runs.provenance import provenance_of
from ferlab.runs.split import Splits

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Study:
    """One predictor and the faces it is studied on.

    Attributes:
        kind: names the folder and the JSON file.
        folder: where the results go.
        home: the run's or the ensemble's directory.
        members: the run, or those of the ensemble.
        predictor: faces [B,1,48,48] -> probabilities [B,7], in eval mode on `device`.
        faces: the N faces of the split.
        twins: bool [N], pixel-identical to a face that a member was trained on.
        about: what a result is of: names, checksums, commit, environment.
    """

    kind: str
    folder: Path
    home: Path
    members: Sequence[directory.Run]
    predictor: nn.Module
    device: torch.device
    faces: Faces
    twins: np.ndarray
    about: Mapping[str, Any]

    @property
    def title(self) -> str:
        """What a reader calls the data and the split."""
        return f"{self.about['data']} · {faces.split_title(self.about['data'], self.about['split'])}"

    def probabilities(self, pixels: np.ndarray, batch_size: int) -> np.ndarray:
        """Probabilities float32 [N,7] of faces uint8 [N,48,48]."""
        return predictor.predict(self.predictor, pixels, batch_size, self.device)

    def write(self, found: Mapping[str, Any], sections: Sequence[Mapping], pictures: Mapping[str, bytes]) -> Path:
        """Write pictures (file name -> bytes), the page of `sections` and last the JSON; returns the page's path."""
        self.folder.mkdir(parents=True, exist_ok=True)
        result = self.folder / f"{self.kind}.json"
        result.unlink(missing_ok=True)  # written last, and so stands for complete results
        for name, content in pictures.items():
            (self.folder / name).write_bytes(content)
        page = self.folder / "index.html"
        page.write_text(render_page(self.kind, self.title, self.about, sections), encoding="utf-8")
        files.write_json(result, {**self.about, **found})
        return page


def opened(config: Mapping[str, Any], kind: str) -> Iterator[Study]:
    """Each run and ensemble that config["runs"] names, one after another.

    Args:
        config: `runs` (a path, a glob or a list; an ensemble is named by its directory), `split`, `device`, `ledger`,
            where it varies `tta`, and `data`: null for the data of each run, else a data config (conf/data/*.yaml).
        kind: names the folder and the JSON file.

    Raises:
        FerlabError: no such run, split or device; a split without faces; an unfinished run on test.
    """
    split, device = config["split"], device_of(config["device"])
    splits = Splits(split)
    for home, vote in _subjects(config["runs"]):
        members = vote.asked
        if split == "test":
            refuse_unfinished(members)
        own = splits.shared(members) if config.get("data") is None else splits.of_data(config["data"], members)
        name = home.name
        about = {k: v for k, v in provenance_of(members, name, split).items() if k not in ("config", "run")}
        place = split
        if config.get("data") is not None:
            about["data"] = config["data"]["name"]
            place = f"{about['data']}-{split}"
        about |= {"faces_sha256": own.sha256, "evaluated_on": str(device)}
        tta = config.get("tta") or "none"
        frozen = frozen_view_set(vote, None if tta == "none" else [tta])
        seen = frozen or view_set(tta, views.SPACES[0])
        if frozen or "tta" in config:
            about["tta"] = seen.title
            place += f"-{seen.title}"
        predictor = vote.predictor(seen.views, seen.space)
        predictor = predictor.to(device, memory_format=torch.channels_last).eval()  # about twice as fast on a CPU
        if split == "test":
            hashes, data, at = about["weights_sha256"], about["data"], about["evaluated_commit"]
            entry = ledger.look(config["ledger"], about["members"], hashes, data, split, at, [kind], vote.sha256)
            about |= {key: entry[key] for key in ("looks_before", "looks_before_at_data")}
        folder = home / kind / place
        log.info("%s: %d faces of %s, %s", name, len(own.faces), about["data"], split)
        yield Study(kind, folder, home, members, predictor, device, own.faces, own.twins, about)


def seconds(since: float) -> float:
    """Seconds since a `time.perf_counter()`, to be told."""
    return round(time.perf_counter() - since, 2)


def _subjects(patterns: str | Sequence[str] | None) -> list[tuple[Path, subject.Subject]]:
    """(directory, how it votes) of each run and ensemble, each once."""
    if not patterns:
        raise FerlabError("runs is not given; type runs=outputs/NAME, a glob in quotes or runs=[A,B]")
    found: dict[Path, subject.Subject] = {}
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        frozen = [Path(p) for p in sorted(glob.glob(pattern)) if (Path(p) / directory.MEMBERS).is_file()]
        for folder in frozen:
            found[folder] = subject.chosen(str(folder)) or subject.Subject(
                tuple(directory.load(path) for path in subject.find_members(str(folder)))
            )
        if not frozen:
            found |= {path: subject.Subject((directory.load(path),)) for path in directory.find(pattern)}
    return list(found.items())
