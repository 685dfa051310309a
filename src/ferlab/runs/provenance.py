"""Where a number comes from: which weights, on which faces, by which code, on which machine, after how many looks."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any

from ferlab.data.labels import labels_of
from ferlab.files import Json
from ferlab.runs import directory
from ferlab.runs.directory import Run


def commit() -> str:
    """The git commit of the code that runs, `+` behind it where the working tree differs, or `unknown`."""
    root = Path(__file__).resolve().parents[3]
    git = ["git", "-C", str(root)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S603
        dirty = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("FERLAB_COMMIT", "unknown")
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def environment() -> dict[str, str]:
    """Versions and devices that a number depends on; no user, host or path."""
    import torch  # for the device alone, which who reads a provenance need not wait for

    packages = ("torch", "torchvision", "pytorch-lightning", "timm", "torchmetrics", "albumentations", "numpy")
    found = {name: version for name in packages if (version := _version(name))}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    return {"python": platform.python_version(), "device": device, **found}


def now() -> str:
    """The time in UTC to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


_OF_A_RUN = ("class_weights", "seed", "commit", "best_epoch", "parameters")  # keys of run.json


@dataclass(frozen=True)
class Provenance:
    """What stands beside a number in report.json and in a study's file.

    Attributes:
        name: of the run, the ensemble or the exported model.
        model: its kind; `ensemble` for several runs.
        members: names of the runs.
        data, split: names, several data sets joined by ", ".
        label_system, trained_label_system: of the faces and of the training (`data.labels`).
        weights_sha256: of each run, or of the exported file.
        faces_sha256: of the split's pixels and labels.
        evaluated_on: the device.
        class_weights, seed, commit, best_epoch, parameters: of the training; one a member where they differ.
        tta, tta_space, views: the view set, once it is known.
        priors: shares of the classes that the answers were weighed for.
        looks_before, looks_before_at_data: earlier looks at this test split, by these weights and by anything.
        ensemble: how an ensemble was chosen on val, its weights and checksum.
        export: the JSON of an exported model.
        config, run: config.yaml and run.json without places of this machine, of several runs by name.
    """

    name: str
    model: str | None
    members: Sequence[str]
    data: str
    split: str
    weights_sha256: Sequence[str]
    faces_sha256: str
    evaluated_on: str
    class_weights: Any = None
    seed: Any = None
    commit: Any = None
    best_epoch: Any = None
    parameters: Any = None
    label_system: str | None = None
    trained_label_system: str | None = None
    evaluated_commit: str = field(default_factory=lambda: commit())  # the function, not the key
    evaluated_at: str = field(default_factory=now)
    environment: Mapping[str, str] = field(default_factory=environment)
    tta: str | None = None
    tta_space: str | None = None
    views: Sequence[Sequence[Any]] | None = None
    priors: Sequence[float] | None = None
    looks_before: int | None = None
    looks_before_at_data: int | None = None
    ensemble: Mapping[str, Any] | None = None
    export: Mapping[str, Any] | None = None
    config: Mapping[str, Any] | None = None
    run: Mapping[str, Any] | None = None

    def as_json(self, configs: bool = True) -> Json:
        """As the keys of report.json; without `configs`, as those of a study's file."""
        always = {"model", *_OF_A_RUN}
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        found |= found.pop("ensemble") or {}
        if not configs:
            del found["config"], found["run"]
        return {key: value for key, value in found.items() if value is not None or key in always}


def of_runs(
    runs: Sequence[Run],
    name: str,
    alone: bool,
    *,
    split: str,
    faces_sha256: str,
    evaluated_on: str,
    data: Mapping[str, Any] | None = None,
    ensemble: Mapping[str, Any] | None = None,
) -> Provenance:
    """The provenance of one run, or of several as an ensemble, which states what its members share.

    Args:
        alone: one run by itself; else an ensemble, of which one member may be left.
        data: config of the data where they are not the runs' own.
    """
    facts = _shared(runs)
    if not alone and None not in (counts := [run.info.get("parameters") for run in runs]):
        facts["parameters"] = sum(counts)
    trained = labels_of(runs[0].config.get("data", {}))  # of all: runs of several are refused
    configs = {run.name: portable(run.config, run.config) for run in runs}
    infos = {run.name: portable(run.info, run.config) for run in runs}
    return Provenance(
        name=name,
        model=runs[0].info.get("model") if alone else "ensemble",
        members=[run.name for run in runs],
        data=data["name"] if data else ", ".join(dict.fromkeys(str(run.info.get("data")) for run in runs)),
        label_system=labels_of(data) if data else trained,
        trained_label_system=trained,
        split=split,
        weights_sha256=[run.weights_sha256 for run in runs],
        faces_sha256=faces_sha256,
        evaluated_on=evaluated_on,
        ensemble=ensemble,
        config=configs[runs[0].name] if alone else configs,
        run=infos[runs[0].name] if alone else infos,
        **facts,
    )


def _shared(runs: Sequence[Run]) -> Json:
    """An ensemble has no seed of its own: what its members do not share is one value a member."""
    facts: Json = {}
    for key in _OF_A_RUN:
        values = [run.info.get(key) for run in runs]
        facts[key] = values[0] if all(value == values[0] for value in values) else values
    return facts


def portable(node: Any, config: Mapping[str, Any] | None) -> Any:
    """A copy without the places of this machine: paths begin with outputs or data, others are their last part.

    Args:
        config: of the run, whose outputs and data.root are known by these names.
    """
    if isinstance(node, Mapping):
        return {key: portable(value, config) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [portable(value, config) for value in node]
    if not isinstance(node, str) or not PurePath(node).is_absolute():
        return node
    path, config = PurePath(node), config or {}
    for root, name in ((config.get("outputs"), "outputs"), (config.get("data", {}).get("root"), "data")):
        if root and path.is_relative_to(root):
            return PurePath(name, path.relative_to(root)).as_posix()
    return PurePath("outputs", *path.parts[-3:]).as_posix() if path.parts[-2:] == directory.WEIGHTS else path.name


@cache
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
