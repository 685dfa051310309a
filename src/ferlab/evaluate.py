"""`python -m ferlab.evaluate`: runs, a split and sets of views in, one report per set of views out.

The only command that opens a test split; each time it does is written to the ledger before any number is known.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from rich.console import Console

from ferlab import ledger, predictors, report, runs
from ferlab.cli import command, plain
from ferlab.data.faces import SPLITS, Faces, have_twin_in
from ferlab.errors import FerlabError
from ferlab.report_page import percent

MEMBERS = "members.json"
_LONGEST_NAME = 72  # of an ensemble made of its members' names; file systems end at 255, terminals before


def evaluate(
    patterns: str | Sequence[str],
    tta: str | Sequence[str] = "none",
    split: str = "val",
    batch_size: int = 1024,
    device: str = "auto",
    outputs: str | Path = "outputs",
    ledger_path: str | Path = "outputs/ledger.jsonl",
) -> list[Path]:
    """Measure the runs that `patterns` name, several as one ensemble, on a split.

    Several sets of views share the probabilities of the views they have in common, and are one look in the ledger.

    Returns:
        For each set of views the folder of its report.

    Raises:
        FerlabError: unknown split, views or device; no such run; members that are measured on different faces.
    """
    if split not in SPLITS[1:]:
        raise FerlabError(f"split is {split!r}; choose val or test")
    if not patterns:
        raise FerlabError("runs is not given; type runs=outputs/NAME, a glob in quotes or runs=[A,B]")
    names = [tta] if isinstance(tta, str) else list(dict.fromkeys(tta))
    sets = {name: _views(name) for name in names}
    if not sets:
        raise FerlabError("tta is empty; choose from " + ", ".join(predictors.VIEWS))
    where = _device(device)
    members = [runs.load(path) for path in _find(patterns)]
    faces, twins, checksum = _shared_faces(members, split)
    folder, name = _folder(members, Path(outputs))
    models = [run.predictor() for run in members]
    predictor = models[0] if len(models) == 1 else predictors.Ensemble(models)

    union = list(dict.fromkeys(view for views in sets.values() for view in views))
    by_view = predictors.predict_views(predictor, faces.pixels, union, batch_size, where)  # [V,N,7]

    provenance = _provenance(members, name, split) | {"faces_sha256": checksum, "evaluated_on": str(where)}
    if split == "test":
        hashes = [run.weights_sha256 for run in members]
        data, commit = provenance["data"], provenance["evaluated_commit"]
        entry = ledger.look(ledger_path, provenance["members"], hashes, data, split, commit, names)
        provenance |= {key: entry[key] for key in ("looks_before", "looks_before_at_data")}
    rows = members[0].metrics_rows() if len(members) == 1 else ()
    folders = []
    for tta_name, views in sets.items():
        probabilities = by_view[[union.index(view) for view in views]].mean(0)  # [N,7]
        measured = report.measure(probabilities, faces, twins)
        told = provenance | {"tta": tta_name, "views": [list(view) for view in views]}
        folders.append(folder / f"{split}-{tta_name}")
        report.write_report(folders[-1], measured, told, probabilities, faces, rows)
    return folders


def _views(name: str) -> tuple[predictors.View, ...]:
    try:
        return predictors.views_named(name)
    except ValueError as error:
        raise FerlabError(str(error)) from None


def _device(name: str) -> torch.device:
    if name not in ("auto", "cpu", "cuda"):
        raise FerlabError(f"device is {name!r}; choose auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise FerlabError("device is 'cuda' and torch finds none here; type device=cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _find(patterns: str | Sequence[str]) -> list[Path]:
    """Run directories; an ensemble's directory stands for its members."""
    found: list[Path] = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        frozen = Path(pattern) / MEMBERS
        if frozen.is_file():
            found += [Path(member["path"]) for member in json.loads(frozen.read_text())]
        else:
            found += runs.find(pattern)
    return list(dict.fromkeys(found))


def _shared_faces(members: Sequence[runs.Run], split: str) -> tuple[Faces, np.ndarray, str]:
    """The split that all members are measured on, which of its faces any of them trained on, and its checksum."""
    first: tuple[Faces, str] | None = None
    twins = None
    seen: list[Any] = []
    for run in members:
        if run.config["data"] in seen:
            continue  # opened already: members mostly differ in their nets
        seen.append(run.config["data"])
        faces = run.faces()
        own = faces.of_split(split)
        if not len(own):
            raise FerlabError(f"the data of {run.name} has no {split} faces; choose the other split or other data")
        checksum = hashlib.sha256(own.pixels.tobytes() + own.labels.tobytes()).hexdigest()
        if first is None:
            first = own, checksum
            twins = np.zeros(len(own), bool)
        elif checksum != first[1]:
            raise FerlabError(
                f"{members[0].name} and {run.name} have different {split} faces ({len(first[0])} of sha256 "
                f"{first[1][:8]}, {len(own)} of {checksum[:8]}); an ensemble needs members of the same main data"
            )
        twins |= have_twin_in(own.pixels, faces.pixels[faces.split == SPLITS.index("train")])
    return first[0], twins, first[1]


def _folder(members: Sequence[runs.Run], outputs: Path) -> tuple[Path, str]:
    """Where the reports go and what they are called; an ensemble's members are frozen to a file there."""
    if len(members) == 1:
        return members[0].path / "reports", members[0].name
    name = "__".join(sorted(run.name for run in members))
    if len(name) > _LONGEST_NAME:
        mark = hashlib.sha256(name.encode()).hexdigest()[:8]
        models = "-".join(sorted({str(run.info.get("model", "net")) for run in members}))
        name = f"{len(members)}x-{models[:60]}-{mark}"
    folder = outputs / "ensembles" / name
    folder.mkdir(parents=True, exist_ok=True)
    frozen = [{"name": r.name, "path": r.path.as_posix(), "weights_sha256": r.weights_sha256} for r in members]
    runs.write_json(folder / MEMBERS, frozen)
    return folder / "reports", name


def _provenance(members: Sequence[runs.Run], name: str, split: str) -> dict[str, Any]:
    """What a report says besides numbers: of a run what run.json says, of an ensemble what its members share."""
    one = len(members) == 1
    told: dict[str, Any] = {
        "name": name,
        "model": members[0].info.get("model") if one else "ensemble",
        "members": [run.name for run in members],
        "data": ", ".join(dict.fromkeys(str(run.info.get("data")) for run in members)),
        "split": split,
        "weights_sha256": [run.weights_sha256 for run in members],
        "evaluated_commit": runs.commit(),
        "evaluated_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": runs.environment(),
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
    console.print(f"  {folder / 'index.html'}", style="dim")


@command("evaluate")
def main(cfg: DictConfig) -> None:
    config = plain(cfg)
    folders = evaluate(
        config["runs"],
        config["tta"],
        config["split"],
        config["batch_size"],
        config["device"],
        config["outputs"],
        config["ledger"],
    )
    for folder in folders:
        _say(folder)


if __name__ == "__main__":
    main()
