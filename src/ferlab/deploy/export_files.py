"""Graphs and the runs they are of -> NAME.onnx and NAME.json: what was measured of each, and all that they say.

A graph is believed when onnxruntime answers as torch does; this file alone decides what that means.
"""

import contextlib
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx import ModelProto, helper
from torch import nn

from ferlab import files
from ferlab.data.faces import Faces, faces_sha256
from ferlab.deploy.graph import Crops
from ferlab.ensembling.subject import Subject
from ferlab.errors import FerlabError
from ferlab.evaluation import report
from ferlab.evaluation.door import OpenedRuns
from ferlab.expressions import EXPRESSIONS
from ferlab.files import Json
from ferlab.inference.onnx_model import FORMAT, INPUT, OUTPUT, rgba_of
from ferlab.metrics import statistics
from ferlab.predictors.predictor import predict
from ferlab.predictors.progress import track
from ferlab.runs.provenance import portable

_BATCHES = (1, 2, 5, 64)  # a graph whose batch were fixed anywhere would fail in one of them
_SIDES = ((20, 20), (63, 97), (224, 180))  # of crops that are enlarged, distorted and shrunk to a face
_CROPS = 8  # of each


def probabilities_of(model: ModelProto, batches: Sequence[np.ndarray]) -> np.ndarray:
    """What onnxruntime answers to batches of crops uint8 [B,H,W,4], one after another: float32 [N,7]."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run([OUTPUT], {INPUT: rgba})[0] for rgba in track(batches, "batches")])


def batches_of(pixels: np.ndarray, sizes: Sequence[int]) -> Iterator[np.ndarray]:
    """Faces uint8 [N,48,48] as batches of crops, of these sizes in turn."""
    start, turn = 0, itertools.cycle(sizes)
    while start < len(pixels):
        batch = pixels[start : start + next(turn)]
        yield rgba_of(batch)
        start += len(batch)


def ask_torch(predictor: nn.Module, pixels: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Batches of crops, N in all, and what torch answers to them, float32 [N,7], for onnxruntime to be held against.

    They are the faces uint8 [N,48,48] in batches of several sizes, and some of them as coloured crops of other sides.
    """
    batches, answers = list(batches_of(pixels, _BATCHES)), [predict(predictor, pixels)]
    few = torch.from_numpy(pixels[:_CROPS].astype(np.float32)).unsqueeze(1)  # [B,1,48,48]
    colours = np.random.default_rng(0).uniform(0.6, 1.0, (len(few), 1, 1, 4))
    crops = Crops(predictor).eval()
    for sides in _SIDES:
        grey = nn.functional.interpolate(few, sides, mode="bilinear").permute(0, 2, 3, 1).numpy()  # [B,H,W,1]
        batches.append((grey * colours).astype(np.uint8))
        with torch.inference_mode():
            answers.append(crops(torch.from_numpy(batches[-1])).numpy())
    return batches, np.concatenate(answers)


def refuse_difference(precision: str, difference: float, tolerance: Mapping[str, float]) -> None:
    """Raises FerlabError where a probability is further from torch's than the tolerance of its precision."""
    allowed = tolerance.get(precision)
    if allowed is not None and not difference <= allowed:  # NaN too
        raise FerlabError(
            f"{precision}: a probability differs by {difference:.2g} from torch's, expected at most {allowed:g}; the "
            "graph does not compute what was measured, so nothing is written: try another opset= or precision="
        )


def measured(probabilities: np.ndarray, reference: np.ndarray, split: Faces) -> Json:
    """How a graph does on a split, and against the fp32 graph: both float32 [N,7], of the N faces."""
    right, before = (p.argmax(1) == split.labels for p in (probabilities, reference))
    only_before, only_this, p = statistics.mcnemar(before, right)
    return {
        **statistics.accuracy_of(right),
        "against_fp32": {
            "accuracy_change": float(right.mean() - before.mean()),
            "only_fp32_right": only_before,
            "only_this_right": only_this,
            "mcnemar_p": p,
            "agreement": float((probabilities.argmax(1) == reference.argmax(1)).mean()),
            "largest_difference": float(np.abs(probabilities - reference).max()),
        },
    }


def facts(one: Subject, opened: OpenedRuns, margin: Mapping[str, float], opset: int) -> Json:
    """All that an export states whatever its precision: classes, crop, code, runs, data, and what their reports hold.

    Args:
        one: the subject, with its directory.
        opened: the same on val, in the one view set that is exported.
    """
    packages = {name: metadata.version(name) for name in ("onnx", "onnxscript", "onnxruntime")}
    (view_set,), of = opened.view_sets, opened.provenance
    return {
        "format": FORMAT,
        "expressions": list(EXPRESSIONS),
        "input": {"name": INPUT, "type": "uint8", "shape": ["batch", "height", "width", 4]},
        "output": {"name": OUTPUT, "type": "float32", "shape": ["batch", len(EXPRESSIONS)]},
        "margin": dict(margin),
        "tta": view_set.title,
        "tta_space": view_set.space,
        "views": [list(view) for view in view_set.views],
        "opset": opset,
        "commit": of.evaluated_commit,
        "exported_at": of.evaluated_at,
        "environment": {**of.environment, **packages},
        "data": one.runs[0].info.get("data"),
        "label_system": of.label_system,
        "val_faces_sha256": of.faces_sha256,
        "reports": _reports(one, view_set.title),
        "runs": [
            {
                "name": run.name,
                "weights_sha256": run.weights_sha256,
                "train_faces_sha256": faces_sha256(run.faces().of_split("train")),
                "config": portable(run.config, run.config),
                "info": portable(run.info, run.config),
            }
            for run in one.runs
        ],
    }


def content_of(model: ModelProto, stated: Mapping[str, Any]) -> bytes:
    """The bytes of an .onnx file with `stated` in its metadata."""
    helper.set_model_props(model, {key: json.dumps(value) for key, value in stated.items()})
    return model.SerializeToString()


def write(model: ModelProto, stated: Mapping[str, Any], path: Path, beside: Mapping[str, Any]) -> None:
    """NAME.onnx with `stated` in its metadata, and NAME.json with the same and the file's size and checksum.

    Args:
        beside: what only NAME.json says, of other files.

    Raises:
        FerlabError: the disk refuses (full, read-only).
    """
    content, sidecar = content_of(model, stated), path.with_suffix(".json")
    file = {"file": path.name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    with contextlib.suppress(OSError):
        sidecar.unlink()  # written last: it stands for a complete export
    files.write_bytes(path, content)
    files.write_json(sidecar, {**file, **stated, **beside})


_OF_A_REPORT = ("n", "correct", "accuracy", "interval95", "without_train_twins", "macro_recall", "ece", "looks_before")


def _reports(one: Subject, title: str) -> Json:
    """What the reports of these weights in this view set hold; of a split without one nothing."""
    found = {}
    for split in ("val", "test"):
        kept = report.read(one.folder / "reports" / f"{split}-{title}")
        if sorted(kept.get("weights_sha256", ())) == sorted(run.weights_sha256 for run in one.runs):
            found[split] = {key: kept[key] for key in _OF_A_REPORT if key in kept}
    return found
