"""Run directories: config, weights, metrics and reports of one training, together.

config.yaml   all of the run's config, resolved      run.json       what was measured and with which code and data
checkpoints/  best.ckpt, last.ckpt                    log/N/         metrics.csv of the N-th start
"""

import contextlib
import csv
import glob
import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import nn

from ferlab import checkpoints
from ferlab.cli import build
from ferlab.data.faces import Faces
from ferlab.data.store import open_data
from ferlab.errors import FerlabError
from ferlab.predictors import Model
from ferlab.preprocess import Preprocess

CONFIG, INFO, CHECKPOINTS, LOG = "config.yaml", "run.json", "checkpoints", "log"
MEMBERS = "members.json"  # in an ensemble's directory


def refuse_name(name: str) -> None:
    """Raises FerlabError for a name that could not be typed back as a value."""
    if not re.fullmatch(r"[\w.+-]+", name):
        raise FerlabError(f"name is {name!r}; use letters, digits, . _ + and - so that it can be typed as a value")


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
        paths = [Path(p) for p in sorted(glob.glob(str(Path(root) / pattern)))]
        runs = [p for p in paths if (p / CONFIG).is_file()]
        if not runs:
            near = sorted(p.parent.as_posix() for p in Path(root).glob(f"outputs/*/{CONFIG}"))
            raise FerlabError(f"{key}={pattern!r} matches no run directory; there are: {', '.join(near) or 'none'}")
        found += [p for p in runs if p not in found]
    return found


def find_members(patterns: str | Sequence[str], key: str = "runs") -> list[Path]:
    """As `find`; a soft vote's directory stands for its members.

    Raises:
        FerlabError: also for an ensemble that was chosen, whose weights the list of its members would lose.
    """
    found: list[Path] = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        frozen = Path(pattern) / MEMBERS
        if frozen.is_file():
            members = json.loads(frozen.read_text())
            if isinstance(members, dict):
                raise FerlabError(
                    f"{pattern} is frozen with weights and views of its own; give it alone, as {key}={pattern}"
                )
            found += [Path(member["path"]) for member in members]
        else:
            found += find(pattern, key=key)
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Run:
    """One run directory, read when asked."""

    path: Path
    config: dict[str, Any]
    info: dict[str, Any]

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def weights(self) -> Path:
        """The checkpoint with the best val/accuracy."""
        return self.path / CHECKPOINTS / checkpoints.BEST

    @cached_property
    def weights_sha256(self) -> str:
        if not self.weights.is_file():
            raise FerlabError(f"{self.weights} is missing: the run has not finished an epoch; train it with ckpt=last")
        return checkpoints.hash_file(self.weights)

    def predictor(self) -> Model:
        """The measured model on the CPU, in eval mode: faces [B,1,48,48] -> probabilities [B,7].

        Raises:
            FerlabError: the checkpoint is damaged, or of another net than the config's.
        """
        net, preprocess = nets_of(self.config)
        state = checkpoints.load(self.weights)["state_dict"]
        load_net(net, state, self.weights)
        return Model(preprocess, net).eval()

    def faces(self) -> Faces:
        """Every split of the run's data, memory-mapped; FERLAB_DATA, where set, says where they lie on this machine."""
        data = self.config["data"]
        root = os.environ.get("FERLAB_DATA", data["root"])
        # Runs without auxiliary data do not say `leaks`, nor do those from before it could be said.
        return open_data(root, data["sources"], data["auxiliary"], data.get("leaks", "drop"))

    def metrics_rows(self) -> list[dict[str, str]]:
        """Rows of the CSV logs of all starts, one per epoch and kind; what a resumed run repeated counts once."""
        rows: dict[tuple[str, ...], dict[str, str]] = {}
        logs = sorted(self.path.glob(f"{LOG}/*/metrics.csv"), key=lambda p: int(p.parent.name))
        for path in logs or self.path.glob("metrics.csv"):  # one that was published has a single one, beside run.json
            with path.open(newline="") as file:
                for row in csv.DictReader(file):
                    filled = {k: v for k, v in row.items() if v}
                    rows[(filled.get("epoch", ""), *sorted(filled))] = filled
        return list(rows.values())


def load(path: str | os.PathLike) -> Run:
    """The run in a directory.

    Raises:
        FerlabError: it is no run directory.
    """
    path = Path(path)
    try:
        config = yaml.safe_load((path / CONFIG).read_text())
        info = json.loads((path / INFO).read_text())
        if not isinstance(config, dict) or not isinstance(info, dict):
            raise ValueError("one of them is empty or holds no keys")
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise FerlabError(f"{path} is no run directory ({error}); expected {CONFIG} and {INFO} in it") from error
    return Run(path, config, info)


def nets_of(config: dict[str, Any]) -> tuple[nn.Module, Preprocess]:
    """A new net and its preprocessing, as a run's config says them."""
    return build(config["model"]["net"]), Preprocess(**config["model"]["input"])


def load_net(net: nn.Module, state: dict[str, torch.Tensor], source: Path) -> None:
    """Fill a net from a classifier's state_dict (keys `net.*`).

    Raises:
        FerlabError: a key is missing or left over, or a shape differs: the checkpoint is of another net.
    """
    own = {key.removeprefix("net."): value for key, value in state.items() if key.startswith("net.")}
    expected = net.state_dict()
    differing = [k for k in expected.keys() | own.keys() if k not in own or k not in expected]
    differing += [k for k in expected.keys() & own.keys() if expected[k].shape != own[k].shape]
    if differing:
        raise FerlabError(
            f"{source} is of another net: {len(differing)} of {len(expected)} tensors do not fit, as {min(differing)}; "
            "give the model it was trained with"
        )
    net.load_state_dict(own)


def write_json(path: Path, content: dict[str, Any] | list[Any]) -> None:
    """Write a JSON file whole or not at all; raises as `write_config`."""
    _write(path, json.dumps(content, indent=2, default=_number) + "\n")


def write_config(run: Path, config: dict[str, Any]) -> None:
    """Write a run's config whole or not at all.

    Raises:
        FerlabError: the disk refuses (full, read-only).
    """
    _write(run / CONFIG, yaml.safe_dump(config, sort_keys=False))


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text)
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise FerlabError(f"could not write {path} ({error}); free some space") from error


def _number(value: Any) -> Any:
    if isinstance(value, (np.generic, torch.Tensor)):
        return value.item()
    raise TypeError(f"{type(value)} does not go into JSON")


def commit() -> str:
    """The git commit of the code that runs, `+` behind it where the working tree differs, or `unknown`."""
    root = Path(__file__).resolve().parents[2]
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
