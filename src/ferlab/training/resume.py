"""Which run directory a training gets, and which runs are there already."""

import contextlib
import json
import logging
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferlab.config import Config
from ferlab.errors import FerlabError
from ferlab.files import Json
from ferlab.predictors import of_run
from ferlab.runs import checkpoints, directory, provenance
from ferlab.runs.lock import alone
from ferlab.training.durable_checkpoints import SECONDS
from ferlab.training.run_facts import RunFacts

log = logging.getLogger(__name__)

# Keys of how a run is computed and kept, not of its result: runs that differ in these alone are the same run. The
# precision is none of them, for it changes the numbers more than the device does.
_PLACES = ("outputs", "name", "data.root")
_THIS_CALL = ("ckpt", "skip_finished")
HOW_IT_RUNS = (
    *_PLACES,
    *_THIS_CALL,
    "num_workers",
    "compile",
    "cuda_graph",
    "strategy",
    "sync_batchnorm",
    "save_every",
    "wandb",
    "loggers",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.enable_progress_bar",
)
_LONGER = "trainer.max_epochs"  # may change where a run is continued
_ON_A_CPU = ("trainer.devices", "trainer.num_nodes", "strategy")  # may not, for the weights would be others
_ANEW = "leave out ckpt=last to start anew"
_MADE_FROM = {"faces_sha256": "faces", "weights": "weights to start from", "teacher": "answers of a teacher"}
_OFF = (None, False, 0, "none")  # as good as a key that was not there yet


def finished_run(config: Config) -> directory.Run | None:
    """The finished run of this name and config, if there is one; `differing` lists why another is not it."""
    for run in _of_name(config):
        if _finished(run) and not differing(run.config, config):
            return run
    return None


def stopped_run(config: Config) -> Path | None:
    """The newest run of this name and config that did not finish and has a checkpoint to continue from."""
    for run in reversed(_of_name(config)):
        if not _finished(run) and not differing(run.config, config):
            with contextlib.suppress(FerlabError):
                checkpoints.newest(run.path / directory.CHECKPOINTS)
                return run.path
    return None


def why_anew(config: Config) -> str:
    """What is there under the run's name instead of a finished run of its config; empty where nothing is."""
    if path := stopped_run(config):
        return f"{path} was stopped before its end; skip_finished=true ckpt=last would continue it"
    there = [run for run in _of_name(config) if _finished(run)]
    if not there:
        return ""
    return f"{there[-1].path} is finished, but with {', '.join(differing(there[-1].config, config)[:3])}"


def differing(before: Config, now: Config, may: Collection[str] = HOW_IT_RUNS) -> list[str]:
    """Where two configs differ in keys other than those that `may`, as `lr=0.1, not 0.05`."""
    return [
        f"{key}={_short(was)}, not {_short(wanted)}"
        for key, (was, wanted) in _changes(before, now).items()
        if key not in may
    ]


def _short(value: Any) -> str:
    return text if len(text := str(value)) < 80 else f"{text[:80]}..."


def _changes(before: Config, now: Config) -> dict[str, tuple[Any, Any]]:
    was, wanted = (_flat(c) for c in (before, now))
    found, absent = {}, "nothing"
    for key in dict.fromkeys([*wanted, *was]):
        one, other = was.get(key, absent), wanted.get(key, absent)
        # Runs from before a key was there are not other runs than those in which it is off.
        new = absent in (one, other) and (one in _OFF or other in _OFF)
        if one != other and not new:
            found[key] = (one, other)
    return found


def _finished(run: directory.Run) -> bool:
    """Whether a run has best weights and came to its end; older versions ended runs without a validation too."""
    reached = run.info.get("val_accuracy")
    return run.info.get("status") == "finished" and reached is not None and math.isfinite(reached)


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
    """A run directory.

    Attributes:
        checkpoint: to continue from, or None.
        continued: of each time that the run was continued, the epoch and the step, counted from 0, from which on
            keys of the config, or the code, `changed` from one value to another.
        seconds: that the run has taken before; of a start that was killed, up to its last checkpoint.
    """

    path: Path
    checkpoint: Path | None = None
    continued: tuple[Json, ...] = ()
    seconds: float = 0.0


@contextlib.contextmanager
def run_directory(config: Config, rank: int, facts: RunFacts, exact: bool) -> Iterator[Place]:
    """Where a training writes, for as long as it does. Rank zero makes the directory, or takes the one that is there.

    Of a new one the other ranks know outputs/name without its number.

    Args:
        facts: what the config stands for on this machine.
        exact: other devices would give other weights, as on a CPU.

    Raises:
        FerlabError: nothing to continue, a run of another config, or one that another process writes.
    """
    outputs = Path(config["outputs"])
    if config["ckpt"] not in (None, "last"):
        raise FerlabError(f"ckpt is {config['ckpt']!r}; choose last, or leave it out")
    path = _continued(config)
    if rank:
        checkpoint = checkpoints.newest(path / directory.CHECKPOINTS)[0] if path else None
        yield Place(path or outputs / config["name"], checkpoint)
        return
    new = path is None
    path = path or directory.create(outputs, config["name"])
    with alone(path):
        place = Place(path) if new else _resumed(path, config, facts, exact)
        for left in (path / directory.CHECKPOINTS).glob("*.part"):  # by a process that was killed
            left.unlink()
        directory.write_config(path, config)
        yield place


def _continued(config: Config) -> Path | None:
    if config["ckpt"] is None:
        return None
    if config["skip_finished"]:  # a sweep that is repeated with both keys also starts what never was
        return stopped_run(config)
    return directory.latest(Path(config["outputs"]), config["name"])


def _resumed(path: Path, config: Config, facts: RunFacts, exact: bool) -> Place:
    """Where a run goes on, unless it would go on as another run than its record says."""
    run = directory.load(path)
    before = _computed_in(run.config, run.info.get("precision", run.config["trainer"]["precision"]))
    now = _computed_in(config, facts.precision)
    may = {*HOW_IT_RUNS, _LONGER} - set(_ON_A_CPU if exact else ())
    if others := differing(before, now, may):
        raise FerlabError(
            f"{path} was trained with {'; '.join(others[:3])}{'; ...' if others[3:] else ''}. Type what it had to "
            f"continue it, or {_ANEW}"
        )
    own = json.loads(json.dumps(facts.as_json()))
    if other := [words for key, words in _MADE_FROM.items() if run.info.get(key, own[key]) != own[key]]:
        raise FerlabError(
            f"{path} was trained with other {' and other '.join(other)} than lie there now; put those back, or {_ANEW}"
        )
    checkpoint, faults = checkpoints.newest(path / directory.CHECKPOINTS)
    for fault in faults:
        log.warning("%s; continuing from %s", fault, checkpoint.name)
    state = checkpoints.load(checkpoint)
    of_run.load_net(of_run.nets_of(config)[0], state["state_dict"], checkpoint)
    done = state["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
    if config["trainer"]["max_epochs"] < done:
        raise FerlabError(f"{path} has {done} epochs already; type {_LONGER}={done} or more, or {_ANEW}")
    if any(kept.get("best_model_score") is not None for kept in state["callbacks"].values()):
        try:
            checkpoints.load(run.weights)  # which the next epochs are compared with
        except FerlabError as error:
            raise FerlabError(f"{error}; put the best weights back, or {_ANEW}") from error
    code = {"commit": run.info.get("commit")}, {"commit": provenance.commit()}
    changed = _changes({**before, **code[0]}, {**now, **code[1]})
    kept = {key: list(values) for key, values in changed.items() if key not in (*_PLACES, *_THIS_CALL)}
    entry = {"epoch": done, "step": state["global_step"], "changed": kept}
    taken = max(run.info.get("seconds", 0.0), *(kept.get(SECONDS, 0.0) for kept in state["callbacks"].values()))
    return Place(path, checkpoint, (*run.info.get("continued", ()), entry), taken)


def _computed_in(config: Config, precision: str) -> Config:
    return {**config, "trainer": {**config["trainer"], "precision": precision}}
