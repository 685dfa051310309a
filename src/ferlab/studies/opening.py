"""A run or an ensemble opened with the faces of one split, for the commands that ask more of it than its accuracy.

The results go to RUN/KIND/SPLIT[-TTA]/: KIND.json, pictures and index.html. This file alone decides where.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ferlab import files
from ferlab.data.faces import Faces, split_title
from ferlab.evaluation.door import Door
from ferlab.evaluation.door import opened as door_opened
from ferlab.pages import links
from ferlab.pages.page import Head, Made, commits, details
from ferlab.pages.sections import Shown, render_page
from ferlab.predictors.predictor import predict
from ferlab.runs.directory import Run
from ferlab.runs.provenance import Provenance
from ferlab.studies.kinds import KINDS, Page

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
        provenance: what a result is of: names, checksums, commit, environment.
    """

    kind: str
    folder: Path
    home: Path
    members: Sequence[Run]
    predictor: nn.Module
    device: torch.device
    faces: Faces
    twins: np.ndarray
    provenance: Provenance

    @property
    def title(self) -> str:
        """What a reader calls the data and the split."""
        return f"{self.provenance.data} · {split_title(self.provenance.data, self.provenance.split)}"

    def probabilities(self, pixels: np.ndarray, batch_size: int) -> np.ndarray:
        """Probabilities float32 [N,7] of faces uint8 [N,48,48]."""
        return predict(self.predictor, pixels, batch_size, self.device)

    def write(self, record: Any, page_of: Page, shown: Shown, pictures: Mapping[str, bytes]) -> Path:
        """Write pictures (file name -> bytes), the record's page and last its JSON; returns the page's path."""
        result = self.folder / f"{self.kind}.json"
        with files.naming(result):
            result.unlink(missing_ok=True)  # written last, and so stands for complete results
        for name, content in pictures.items():
            files.write_bytes(self.folder / name, content)
        page, provenance = self.folder / links.PAGE, self.provenance.as_json(configs=False)
        head = Head(
            KINDS[self.kind].title.lower(),
            [self.title, f"views: {self.provenance.tta or 'none'}"],
            self.provenance.name,
            page_of.findings(record),
            links.around(page),
        )
        made = Made(
            [self._command], commits(provenance), links.files_of(page, [result.name, *pictures]), details(provenance)
        )
        files.write_text(page, render_page(head, page_of.sections(record, shown), made))
        files.write_json(result, {**provenance, **asdict(record)})
        return page

    @property
    def _command(self) -> str:
        """What was typed to make it, but for options of its kind."""
        of, words = self.provenance, [links.runs_word(self.home), f"split={self.provenance.split}"]
        words += [f"tta={of.tta}"] if of.tta else []
        words += [f"data={of.data}"] if self.folder.name.startswith(f"{of.data}-") else []
        return f"python -m ferlab.{KINDS[self.kind].command} {' '.join(words)}"


def opened(config: Mapping[str, Any], kind: str) -> Iterator[Study]:
    """Each run and ensemble that config["runs"] names, one after another.

    Args:
        config: `runs` (a path, a glob or a list; an ensemble is named by its directory), `split`, `device`, `ledger`,
            where it varies `tta`, and `data`: null for the data of each run, else a data config (conf/data/*.yaml).
        kind: names the folder and the JSON file.

    Raises:
        FerlabError: no such run, split or device; a split without faces; an unfinished run on test.
    """
    data, tta = config.get("data"), config.get("tta")
    ledger = config.get("ledger", "outputs/ledger.jsonl")
    door = Door(config["split"], tta, data=data, device=config["device"], ledger_path=ledger)
    for one in door_opened(config["runs"], door):
        home, (view_set,) = one.subject.folder, one.view_sets
        place = f"{data['name']}-{door.split}" if data else door.split
        if one.subject.choice or "tta" in config:
            one = replace(one, provenance=replace(one.provenance, tta=view_set.title))
            place += f"-{view_set.title}"
        predictor = one.subject.predictor(view_set).to(door.device).eval()
        predictor = predictor.to(memory_format=torch.channels_last)  # twice as fast on a CPU
        folder = home / kind / place
        one = one.look([kind], [folder])
        of = one.provenance
        log.info("%s: %d faces of %s, %s", of.name, len(one.faces), of.data, of.split)
        yield Study(kind, folder, home, one.subject.runs, predictor, one.device, one.faces, one.twins, of)


def lines(config: Mapping[str, Any], kind: str, measure: Callable[[Study, Mapping[str, Any]], Any]) -> Iterator[str]:
    """Make the study `measure` of each run and ensemble; yields what the terminal shows of it, in rich's markup."""
    for study in opened(config, kind):
        first, *others = KINDS[kind].page.card(measure(study, config))
        yield f"[bold]{study.provenance.name}[/] {study.title}: {first}"
        yield from (f"  {line}" for line in others)
        yield f"  [dim]{study.folder / 'index.html'}[/]"


def seconds(since: float) -> float:
    """Seconds since a `time.perf_counter()`."""
    return round(time.perf_counter() - since, 2)
