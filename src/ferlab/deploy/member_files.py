"""An ensemble in, an .onnx file a member out and one JSON that says what they are together.

One graph of all members would be too large a file; and a member is the same export as that of a run by itself, with the
ensemble's views inside. `inference.onnx_model` takes the mean of the members' answers with the weights of the JSON.
"""

import contextlib
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ferlab import files
from ferlab.data.faces import Faces
from ferlab.deploy import export_files, exporting, graph, priors
from ferlab.ensembling.subject import Subject
from ferlab.errors import FerlabError
from ferlab.evaluation.door import OpenedRuns
from ferlab.expressions import EXPRESSIONS
from ferlab.files import Config, Json
from ferlab.inference.onnx_model import FORMAT, members_sha256
from ferlab.metrics import abstention, statistics
from ferlab.pages.words import percent

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Member:
    """A member's file and what it answers, weighted: to crops as `expected` by torch, and to the faces of val."""

    content: bytes
    stated: Json
    crops: np.ndarray
    expected: np.ndarray
    val: np.ndarray


def export(config: Config) -> Path:
    """Export an ensemble as `config` (conf/export.yaml, resolved) says; gives its JSON.

    Raises:
        FerlabError: anything the user can mend; a file that is too large, or onnxruntime and torch differ, and then
            nothing is written.
    """
    precisions, name = exporting.precisions_of(config["precision"], config["name"]), config["name"]
    if name is None or len(precisions) > 1:
        raise FerlabError("members=true writes NAME.json; type name=NAME and one precision, as precision=int8")
    if config["safetensors"]:
        raise FerlabError("safetensors=true is of one run, and members=true of an ensemble; leave out one of them")
    if config["priors"] is not None:
        raise FerlabError("priors= goes into one graph; leave it out, and type priors= where the ensemble predicts")
    one, opened = exporting.open_runs(config)
    if len(one.members) < 2 or one.specialists:
        what = (
            "a run by itself" if len(one.members) < 2 else "an ensemble with specialists, which take no part in a mean"
        )
        raise FerlabError(f"{one.name} is {what}; leave out members=true, for one file")
    train = one.runs[0].faces().of_split("train")
    made = [_member(one, i, opened, train, precisions[0], config) for i in range(len(one.members))]
    stated = _together(made, one, opened, config)
    out = Path(config["out"] or one.folder / "export")
    path = out / f"{name}.json"
    _remove(path, {member.stated["file"] for member in made})
    for member in made:
        files.write_bytes(out / member.stated["file"], member.content)
    files.write_json(path, {"file": path.name, **stated, "name": name, "precision": precisions[0]})
    return path


def _member(
    one: Subject, index: int, opened: OpenedRuns, train: Faces, precision: str, config: Mapping[str, Any]
) -> _Member:
    """A member exported by itself, in the ensemble's views and tempered as there, and what it answers."""
    run, val, (view_set,) = one.members[index], opened.faces, opened.view_sets
    weight = one.weights[index] if one.weights else 1 / len(one.members)
    own = one.temperatures[index : index + 1] if one.temperatures else None
    predictor = Subject((run,), temperatures=own, home=run.path).predictor(view_set).eval()
    batch = max(1, config["batch_size"] // len(view_set.views))
    model = graph.trace(predictor, config["opset"])
    model = exporting.at_precision(precision, model, train, {**config, "batch_size": batch})
    graph.check(model, config["opset"])
    file = f"{config['name']}-{index + 1}-{files.shown(run.info.get('model', 'net'))}.onnx"
    inside = {"format": FORMAT, "precision": precision, "run": run.name, "expressions": list(EXPRESSIONS)}
    content = export_files.content_of(model, inside)
    _refuse_large(file, run.name, len(content), config["largest_mb"])
    crops, expected = export_files.ask_torch(predictor, val.pixels[exporting.parity_faces(len(val), config)])
    found = export_files.probabilities_of(model, crops)
    difference = float(np.abs(found - expected).max())
    export_files.refuse_difference(precision, difference, config["tolerance"])
    on_val = export_files.probabilities_of(model, list(export_files.batches_of(val.pixels, [batch])))
    log.info(
        "%s: %.2f MB, %s %% of val; at most %.1e from torch on %d crops",
        *(file, len(content) / 1e6, percent((on_val.argmax(1) == val.labels).mean()), difference, len(expected)),
    )
    stated = {"file": file, "run": run.name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    stated |= {"weight": weight, "largest_difference": difference}
    return _Member(content, stated, weight * found, weight * expected, weight * on_val)


def _together(made: Sequence[_Member], one: Subject, opened: OpenedRuns, config: Mapping[str, Any]) -> Json:
    """What the JSON says of the members together: their answers on val, and against torch's ensemble."""
    members, val = [member.stated for member in made], opened.faces
    found, expected, on_val = (
        np.sum([getattr(member, key) for member in made], axis=0) for key in ("crops", "expected", "val")
    )
    labels = val.labels[exporting.parity_faces(len(val), config)]
    right, by_torch = (rows[: len(labels)].argmax(1) == labels for rows in (found, expected))
    sure = abstention.calibrate(on_val, val.labels, config["wanted_accuracy"])
    against = {
        "crops": len(found),
        "largest_difference": float(np.abs(found - expected).max()),
        "agreement": float((found.argmax(1) == expected.argmax(1)).mean()),
        "faces": len(labels),
        "accuracy_change": float(right.mean() - by_torch.mean()),
    }
    accuracy = statistics.accuracy_of(on_val.argmax(1) == val.labels)
    log.info(
        "together: %.1f MB, %s %% of %d val faces; at most %.1e from torch on %d crops, the same class for %s %%",
        *(sum(member["bytes"] for member in members) / 1e6, percent(accuracy["accuracy"]), accuracy["n"]),
        *(against["largest_difference"], len(found), percent(against["agreement"])),
    )
    _, of_classes = priors.applied(nn.Identity(), one, None)
    stated = {
        "bytes": sum(member["bytes"] for member in members),
        "sha256": members_sha256(members),
        **export_files.facts(one, opened, config["margin"], config["opset"]),
        **of_classes,
        "members": members,
        "parity": against,
        "val": accuracy,
        "threshold": sure["threshold"],
        "abstention": sure,
    }
    return stated | {"calibration": config["calibration"]}


def _refuse_large(file: str, run: str, size: int, largest_mb: float) -> None:
    if size > 1e6 * largest_mb:
        raise FerlabError(
            f"{file} has {size / 1e6:.1f} MB, more than largest_mb={largest_mb:g}, so nothing is written; type "
            f"precision=int8, choose the ensemble without {run}, or allow more, as largest_mb={size / 1e6 + 1:.0f}"
        )


def _remove(path: Path, kept: set[str]) -> None:
    """Take out the JSON of an earlier export, and the members that the new one does not have."""
    with contextlib.suppress(FerlabError, OSError, KeyError, TypeError):
        for member in files.read_json(path, "")["members"]:
            files.refuse_name(member["file"], found=True)
            if member["file"] not in kept:
                path.with_name(member["file"]).unlink()
    with contextlib.suppress(OSError):
        path.unlink()  # written last: it stands for a complete export
