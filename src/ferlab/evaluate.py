"""`python -m ferlab.evaluate`: runs, a split and sets of views in, a report per set out; or one exported model in.

The only command that opens a test split; each time it does is written to the ledger before any number is known.
"""

import contextlib
import glob
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from ferlab import ensembles, hindsight, logs, models, report, runs
from ferlab.cli import command, plain
from ferlab.errors import FerlabError
from ferlab.evaluation import Evaluation, finished, refuse_unfinished
from ferlab.onnx_evaluation import evaluate_exported
from ferlab.page import percent

log = logging.getLogger(__name__)


def evaluate(
    patterns: str | Sequence[str],
    tta: str | Sequence[str] | None = None,
    split: str = "val",
    name: str | None = None,
    **options: Any,
) -> list[Path]:
    """Measure the runs that `patterns` name, several as one ensemble, which may be given a name.

    An ensemble that was chosen on val votes as it was frozen.

    Args:
        tta, split, options: as `Evaluation` takes them.

    Returns:
        For each set of views the folder of its report.

    Raises:
        FerlabError: as `Evaluation` and its `measure`; no such run; a glob that matches two trainings of one name.
    """
    evaluation = Evaluation(tta, split, **options)
    if vote := ensembles.chosen(_given(patterns)):
        if name not in (None, vote.folder.name):
            raise FerlabError(f"name={name} is for runs, and {vote.folder} has a name; leave out name")
        return evaluation.measure(vote)
    by_path: dict[Path, runs.Run] = {}
    for pattern in _given(patterns):
        found = _latest([runs.load(path) for path in runs.find_members(pattern)])
        if glob.has_magic(pattern):
            _refuse_twins(found)
        by_path |= {run.path: run for run in found}
    members = list(by_path.values())
    if len(members) == 1 and name is not None:
        raise FerlabError(f"name={name} is for an ensemble, and runs names only {members[0].name}; leave out name")
    return evaluation.measure(members, name)


def evaluate_each(
    patterns: str | Sequence[str], tta: str | Sequence[str] | None = None, split: str = "val", **options: Any
) -> Iterator[Path]:
    """Measure every run that `patterns` name by itself; gives the folders of a run's reports once they are there.

    Raises:
        FerlabError: at the end, with what was not measured: a run that is missing, unfinished or fails does not stop
            the others. On test neither of two trainings of one name is measured, but where it is named without a glob.
    """
    evaluation = Evaluation(tta, split, **options)
    failed: list[str] = []
    found: list[Path] = []
    for pattern in _given(patterns):
        with _noting(failed, pattern):
            found += runs.find_members(pattern)
    loaded = []
    for path in dict.fromkeys(found):
        with _noting(failed, path):
            loaded.append(runs.load(path))
    left = _latest(loaded)
    for run in left:
        folders: list[Path] = []
        with _noting(failed, run.path):
            refuse_unfinished([run])
            if split == "test" and run.path.as_posix() not in _given(patterns):
                _refuse_twins([other for other in left if _typed(other) == _typed(run)])  # a look cannot be taken back
            folders = evaluation.measure([run])
        yield from folders
    if failed:
        raise FerlabError(
            f"not measured, for the reasons above: {', '.join(failed)}; mend them and type the same command again "
            "with skip_measured=true"
        )


def _given(patterns: str | Sequence[str] | None) -> list[str]:
    if not patterns:
        raise FerlabError("runs is not given; type runs=outputs/NAME, a glob in quotes or runs=[A,B]")
    return [patterns] if isinstance(patterns, str) else list(patterns)


def _typed(run: runs.Run) -> tuple[Path, str]:
    """What NAME, NAME-2, ... have in common: the name that was typed or made by conf."""
    return run.path.parent, run.config.get("name", run.name)


def _latest(found: Sequence[runs.Run]) -> list[runs.Run]:
    """All runs but unfinished ones whose training was done again: NAME where NAME-2 is finished."""
    done = {_typed(run): run.name for run in found if finished(run)}
    kept = []
    for run in found:
        if finished(run) or _typed(run) not in done:
            kept.append(run)
        else:
            log.info("left out %s: unfinished, and %s was trained in its place", run.name, done[_typed(run)])
    return kept


def _refuse_twins(found: Sequence[runs.Run]) -> None:
    """A glob would silently take a run that was trained again, by another recipe perhaps, for another seed."""
    seen: dict[tuple[Path, str], str] = {}
    for run in found:
        if (other := seen.setdefault(_typed(run), run.name)) != run.name:
            raise FerlabError(
                f"{other} and {run.name} are two trainings of one name; name those that are meant, as runs=[A,B]"
            )


@contextlib.contextmanager
def _noting(failed: list[str], what: str | Path) -> Iterator[None]:
    """Whatever fails inside is said and listed, and goes no further."""
    try:
        yield
    except FerlabError as error:
        log.error("%s: %s", what, error)
        failed.append(str(what))
    except Exception:
        log.exception("%s failed", what)
        failed.append(str(what))


def _say(folder: Path) -> None:
    told = json.loads((folder / "report.json").read_text())
    low, high = map(percent, told["interval95"])
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        f"[bold]{told['name']}[/] {report.split_title(told['data'], told['split'])}, {told['tta']}: "
        f"[bold]{percent(told['accuracy'])} %[/] (95 % interval {low} to {high}), "
        f"without training twins {percent(told['without_train_twins']['accuracy'])} %, "
        f"macro recall {percent(told['macro_recall'])} %, {told['n']} faces"
    )
    if "looks_before" in told:
        by_these, by_any = told["looks_before"], told["looks_before_at_data"]
        console.print(f"  looks at this test split before this one: {by_these} by these weights, {by_any} by anything")
    if "hindsight" in told:
        console.print(f"  {hindsight.sentence(told['hindsight'])}")
    console.print(f"  {folder / 'index.html'}", style="dim")


def _exported(config: dict[str, Any]) -> Path:
    for key, expected in (("runs", None), ("each", False), ("name", None), ("tta", None), ("tta_space", None)):
        if config[key] != expected:
            raise FerlabError(f"weights={config['weights']} is one file with its views inside; leave out {key}")
    keys = ("split", "outputs", "skip_measured")
    options = {key: config[key] for key in keys} | {"ledger_path": config["ledger"]}
    return evaluate_exported(models.find(config["weights"]), **options)


@command("evaluate")
def main(cfg: DictConfig) -> None:
    config = plain(cfg)
    mode = logs.wandb_mode(config)
    if config["weights"] is not None:
        if mode != "off":
            raise FerlabError(f"wandb={mode} is for runs, not for weights={config['weights']}; leave it out")
        _say(_exported(config))
        return
    if config["each"] and config["name"] is not None:
        raise FerlabError(f"name={config['name']} is for an ensemble, and each=true makes none; leave out one of them")
    keys = ("tta", "split", "batch_size", "device", "outputs", "skip_measured")
    options = {key: config[key] for key in keys} | {"ledger_path": config["ledger"], "space": config["tta_space"]}
    if config["each"]:
        folders = evaluate_each(config["runs"], **options)
    else:
        folders = evaluate(config["runs"], name=config["name"], **options)
    for folder in folders:
        _say(folder)
        if mode != "off":
            logs.evaluated(folder, mode)


if __name__ == "__main__":
    main()
