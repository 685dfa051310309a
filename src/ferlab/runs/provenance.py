"""Where a number comes from: code, versions, device, runs."""

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from ferlab.runs import directory


def provenance_of(members: Sequence[directory.Run], name: str, split: str) -> dict[str, Any]:
    """What a report says besides numbers: of a run what run.json says, of an ensemble what its members share."""
    one = len(members) == 1 and members[0].name == name
    told: dict[str, Any] = {
        "name": name,
        "model": members[0].info.get("model") if one else "ensemble",
        "members": [run.name for run in members],
        "data": ", ".join(dict.fromkeys(str(run.info.get("data")) for run in members)),
        "split": split,
        "weights_sha256": [run.weights_sha256 for run in members],
        "evaluated_commit": commit(),
        "evaluated_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": environment(),
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
    packages = ("torch", "torchvision", "pytorch-lightning", "timm", "torchmetrics", "albumentations", "numpy")
    found = {name: metadata.version(name) for name in packages if _installed(name)}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    return {"python": platform.python_version(), "device": device, **found}


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
