"""Which run directory a training gets, and which runs are there already."""

import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path

import yaml

from ferlab.config import Config
from ferlab.errors import FerlabError
from ferlab.predictors import of_run
from ferlab.runs import checkpoints, directory

log = logging.getLogger(__name__)

# Keys of how a run is computed and kept, not of its result: runs that differ in these alone are the same run. The
# precision is none of them, for it changes the numbers more than the device does.
HOW_IT_RUNS = (
    "outputs",
    "data.root",
    "num_workers",
    "compile",
    "strategy",
    "save_every",
    "ckpt",
    "skip_finished",
    "wandb",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.enable_progress_bar",
)


def finished_run(config: Config) -> directory.Run | None:
    """The finished run of this name and config, if there is one; `differing` lists why another is not it."""
    for run in _of_name(config):
        if run.info.get("status") == "finished" and not differing(run.config, config):
            return run
    return None


def stopped_run(config: Config) -> Path | None:
    """The newest run of this name and config that did not finish and has a checkpoint to continue from."""
    for run in reversed(_of_name(config)):
        if run.info.get("status") != "finished" and not differing(run.config, config):
            with contextlib.suppress(FerlabError):
                checkpoints.newest(run.path / directory.CHECKPOINTS)
                return run.path
    return None


def why_anew(config: Config) -> str:
    """What is there under the run's name instead of a finished run of its config; empty where nothing is."""
    if path := stopped_run(config):
        return f"{path} was stopped before its end; skip_finished=true ckpt=last would continue it"
    there = [run for run in _of_name(config) if run.info.get("status") == "finished"]
    if not there:
        return ""
    return f"{there[-1].path} is finished, but with {', '.join(differing(there[-1].config, config)[:3])}"


def differing(before: Config, now: Config) -> list[str]:
    """Where two configs differ in what comes out, as `lr=0.1, not 0.05`."""
    was, wanted = (_flat(c) for c in (before, now))
    keys = [key for key in dict.fromkeys([*wanted, *was]) if key not in HOW_IT_RUNS]
    absent = "nothing"
    return [
        f"{key}={was.get(key, absent)}, not {wanted.get(key, absent)}"
        for key in keys
        # A key that is null is as good as none: runs from before it was there are not other runs.
        if was.get(key) != wanted.get(key)
    ]


def _of_name(config: Config) -> list[directory.Run]:
    """Run directories outputs/name, name-2, ..., oldest first; one that cannot be read is left out."""
    found = []
    for path in directory.of_name(Path(config["outputs"]), config["name"]):
        with contextlib.suppress(FerlabError):
            found.append(directory.load(path))
    return found


def _flat(node: Config, before: str = "") -> Config:
    found: Config = {}
    for key, value in node.items():
        found |= _flat(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return found


@dataclass(frozen=True)
class Place:
    """A run directory, and the checkpoint in it to continue from, or None."""

    path: Path
    checkpoint: Path | None


def run_directory(config: Config, rank: int) -> Place:
    """Where a training writes. Rank zero makes it; of a new one the other ranks know outputs/name without its number.

    Raises:
        FerlabError: nothing to continue, or a run of another net or other data.
    """
    outputs = Path(config["outputs"])
    if config["ckpt"] not in (None, "last"):
        raise FerlabError(f"ckpt is {config['ckpt']!r}; choose last, or leave it out")
    path = _continued(config)
    if path is None:
        if rank:
            return Place(outputs / config["name"], None)
        path = directory.create(outputs, config["name"])
        directory.write_config(path, config)
        return Place(path, None)
    checkpoint, faults = checkpoints.newest(path / directory.CHECKPOINTS)
    if not rank:
        for fault in faults:
            log.warning("%s; continuing from %s", fault, checkpoint.name)
        _same_net(path, config, checkpoint)
        directory.write_config(path, config)
    return Place(path, checkpoint)


def _continued(config: Config) -> Path | None:
    if config["ckpt"] is None:
        return None
    if config["skip_finished"]:  # a sweep that is repeated with both keys also starts what never was
        return stopped_run(config)
    return directory.latest(Path(config["outputs"]), config["name"])


def _same_net(path: Path, config: Config, checkpoint: Path) -> None:
    """Refuse to continue with what would silently train something else."""
    before = yaml.safe_load((path / directory.CONFIG).read_text())
    of_run.load_net(of_run.nets_of(config)[0], checkpoints.load(checkpoint)["state_dict"], checkpoint)
    for key in ("data", "batch_size", "seed", "optimizer", "schedule"):
        if before[key] != config[key]:
            raise FerlabError(
                f"{path} was trained with {key}={before[key]!r}, not {config[key]!r}; "
                "continue with what it had, or leave out ckpt=last to start anew"
            )
