"""Run directories: config, weights, metrics and reports of one training, together.

What lies in one:

    config.yaml   all of the run's config, resolved
    run.json      what was measured and with which code and data
    checkpoints/  best.ckpt, last.ckpt
    log/N/        metrics.csv of the N-th start
"""

import csv
import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from ferlab import files
from ferlab.commandline import matching
from ferlab.data.faces import Faces
from ferlab.data.store import open_config
from ferlab.errors import FerlabError, in_a_line
from ferlab.files import Config, Json, refuse_name, write_text
from ferlab.runs import checkpoints, shapes

CONFIG, INFO, CHECKPOINTS, LOG = "config.yaml", "run.json", "checkpoints", "log"
WEIGHTS = (CHECKPOINTS, checkpoints.BEST)  # place of the best weights in a run
MEMBERS = "members.json"  # in an ensemble's directory
_ALIASES = 10  # of YAML, in a config.yaml; train writes none


def create(outputs: Path, name: str) -> Path:
    """A new run directory outputs/name, or name-2, name-3, ... where one is there: nothing is overwritten.

    Raises:
        FerlabError: a name that could not be typed back as a value, or a folder that cannot be written.
    """
    refuse_name(name)
    for n in range(1, 10_000):
        path = outputs / (name if n == 1 else f"{name}-{n}")
        try:
            path.mkdir(parents=True)  # atomic: of two runs started together one takes the next number
        except FileExistsError:
            continue
        except OSError as error:
            raise FerlabError(f"cannot write {path}: {error.strerror}; give another outputs=FOLDER") from error
        return path
    raise FerlabError(f"{outputs / name} and 9,999 numbered ones are taken; give another name=")


def latest(outputs: Path, name: str) -> Path:
    """The newest of outputs/name, name-2, ... for ckpt=last to continue.

    Raises:
        FerlabError: there is none.
    """
    taken = of_name(outputs, name)
    if not taken:
        raise FerlabError(f"no run {outputs / name} to continue; leave out ckpt=last to start it")
    return taken[-1]


def of_name(outputs: Path, name: str) -> list[Path]:
    """outputs/name, name-2, ... as far as they are there, oldest first."""
    taken = [p for p in outputs.glob(f"{glob.escape(name)}*") if re.fullmatch(re.escape(name) + r"(-\d+)?", p.name)]
    return sorted(taken, key=lambda p: int(p.name[len(name) + 1 :] or 1))


def find(patterns: str | Sequence[str], root: str | os.PathLike = ".", key: str = "runs") -> list[Path]:
    """Run directories that one or more paths or globs name, sorted, each once; `key` is what was typed before them.

    Raises:
        FerlabError: a pattern matches no run directory.
    """
    found: list[Path] = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        runs = [path for path in matching(Path(root) / pattern) if (path / CONFIG).is_file()]
        if not runs:
            near = sorted(p.parent.as_posix() for p in Path(root).glob(f"outputs/*/{CONFIG}"))
            raise FerlabError(f"{key}={pattern!r} matches no run directory; there are: {', '.join(near) or 'none'}")
        found += [p for p in runs if p not in found]
    return found


@dataclass(frozen=True)
class Run:
    """One run directory, read when asked.

    Attributes:
        path: of the directory.
        config: all of config.yaml.
        info: all of run.json.
    """

    path: Path
    config: Config
    info: Json

    @property
    def name(self) -> str:
        """The directory's own name."""
        return Path(os.path.abspath(self.path)).name  # also of a directory that was typed as `.`

    @property
    def weights(self) -> Path:
        """The checkpoint with the best val/accuracy."""
        return self.path.joinpath(*WEIGHTS)

    @cached_property
    def weights_sha256(self) -> str:
        """Checksum of the best weights; raises FerlabError before the first epoch has ended."""
        if not self.weights.is_file():
            raise FerlabError(f"{self.weights} is missing: the run has not finished an epoch; train it with ckpt=last")
        return files.sha256_of(self.weights)

    def faces(self) -> Faces:
        """Every split of the run's data, memory-mapped; FERLAB_DATA, where set, says where they lie on this machine."""
        return open_config(data_of(self), recorded=True)

    def metrics_rows(self) -> list[dict[str, str]]:
        """Rows of the CSV logs of all starts, one per step and kind; what a resumed run repeated counts once."""
        rows: dict[tuple[str, ...], dict[str, str]] = {}
        logs = [path for path in self.path.glob(f"{LOG}/*/metrics.csv") if path.parent.name.isdecimal()]
        for path in sorted(logs, key=lambda p: int(p.parent.name)):
            for row in _rows(path):
                rows[(row.get("epoch", ""), row.get("step", ""), *sorted(row))] = row
        return list(rows.values())


def _rows(path: Path) -> list[dict[str, str]]:
    """Rows of a metrics.csv without their empty cells.

    Raises:
        FerlabError: it is no such table, or holds what is no number.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
        for row in rows:
            for value in row.values():
                float(value)
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise FerlabError(f"{path} cannot be read ({error}); remove it: the curves of that start are lost") from None
    return rows


def data_of(run: Run) -> Config:
    """The data config that a run was trained on; raises FerlabError where it has none."""
    if "data" not in run.config:
        raise FerlabError(f"{run.path / CONFIG} has no data; copy the run again")
    data: Config = run.config["data"]
    return data


def load(path: str | os.PathLike) -> Run:
    """The run in a directory.

    Raises:
        FerlabError: it is no run directory.
    """
    path = Path(path)
    mend = "copy the run again"
    try:
        text = (path / CONFIG).read_text(encoding="utf-8")
        if "*" in text and sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)) > _ALIASES:
            raise ValueError("it repeats parts of itself, which may grow beyond any memory")
        config = yaml.safe_load(text)
        info = files.read_json(path / INFO, mend)
        shapes.read(shapes.Config, config, CONFIG, mend)
        shapes.read(shapes.Info, info, INFO, mend)
    except (OSError, ValueError, RecursionError, yaml.YAMLError, FerlabError) as error:
        reason = in_a_line(error)
        raise FerlabError(f"{path} is no run directory ({reason}); expected {CONFIG} and {INFO} in it") from error
    return Run(path, config, info)


def write_config(run: Path, config: Config) -> None:
    """Write a run's config whole or not at all.

    Raises:
        FerlabError: the disk refuses (full, read-only).
    """
    write_text(run / CONFIG, yaml.safe_dump(config, sort_keys=False))


def finished(run: Run) -> bool:
    """Whether the training has come to its end."""
    return run.info.get("status", "finished") == "finished"


def refuse_unfinished(members: Sequence[Run]) -> None:
    """Only a single run on val may be looked at while it trains: what is published or frozen has an end."""
    if unfinished := [run.name for run in members if not finished(run)]:
        raise FerlabError(f"{', '.join(unfinished)} unfinished; expected finished runs: train with ckpt=last first")
