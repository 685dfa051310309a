"""Finished runs in, an ONNX file of each precision out, if onnxruntime answers as torch does."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ferlab.data.faces import Faces, split_title
from ferlab.deploy import export_files, graph, priors, weights_files
from ferlab.ensembling import named, subject
from ferlab.errors import FerlabError
from ferlab.evaluation.door import Door, OpenedRuns
from ferlab.expressions import check_order
from ferlab.files import Config, Json, refuse_name
from ferlab.inference.onnx_model import rgba_of
from ferlab.inference.priors import title
from ferlab.metrics import abstention
from ferlab.pages.words import percent
from ferlab.predictors.of_run import predictor_of
from ferlab.runs.directory import refuse_unfinished

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Exported:
    """A graph in one precision and the JSON that goes with it."""

    model: onnx.ModelProto
    sidecar: Json


def export(config: Config) -> list[Path]:
    """Export as `config` (conf/export.yaml, resolved) says; gives the .onnx files.

    Raises:
        FerlabError: anything the user can mend; onnxruntime and torch differ, and then nothing is written.
    """
    precisions = precisions_of(config["precision"], config["name"])
    one, opened = open_runs(config)
    (view_set,) = opened.view_sets
    if config["safetensors"] and not one.is_run:
        raise FerlabError(f"safetensors=true is of one run, and {one.name} is an ensemble; leave it out")
    if config["safetensors"] and config["priors"] is not None:
        raise FerlabError("safetensors=true is of the net's own answers, which priors= changes; leave out one of them")
    made = _made(precisions, one, opened, config)
    base = one.name if view_set.title == "none" else f"{one.name}-{view_set.title}"
    if config["priors"] is not None:
        base += f"-{title(config['priors'])}"
    out = Path(config["out"] or one.folder / "export")
    path = out / (config["name"] or base)
    beside = _weights(one, opened, path, config["largest_mb"]) if config["safetensors"] else {}
    written = []
    for precision in precisions:
        name = config["name"] or f"{base}-{precision}"
        path = out / f"{name}.onnx"
        export_files.write(made[precision].model, {"name": name, **made[precision].sidecar}, path, beside)
        written.append(path)
    return written


def open_runs(config: Config) -> tuple[subject.Subject, OpenedRuns]:
    """What is to be exported, with its directory, and the same on val in the one view set.

    Raises:
        FerlabError: as `named.as_one` and `Door.open`; unfinished runs, or some that answer in another order.
    """
    one = named.as_one(config["runs"])
    refuse_unfinished(one.runs)
    for run in one.runs:
        check_order(run.info.get("expressions"), run.path)
    opened = Door("val", config["tta"], device="cpu").open(one)
    return one.settled(Path(config["outputs"])), opened


def _weights(one: subject.Subject, opened: OpenedRuns, path: Path, largest_mb: float) -> Json:
    """The weights of a run for torch, and what the JSON says of them."""
    found = weights_files.write(predictor_of(one.runs[0]), opened.faces, path, largest_mb)
    size, accuracy = found["bytes"] / 1e6, percent(found["val"]["accuracy"])
    log.info("%s: %.2f MB, %s %% of val in torch", " and ".join(found["files"]), size, accuracy)
    return {"safetensors": found}


def _made(
    precisions: Sequence[str], one: subject.Subject, opened: OpenedRuns, config: Mapping[str, Any]
) -> dict[str, _Exported]:
    """Every precision checked against torch, and measured on val; fp32 is made in any case, for comparison."""
    predictor, val = one.predictor(opened.view_sets[0]).eval(), opened.faces
    predictor, of_classes = priors.applied(predictor, one, config["priors"])
    fp32 = graph.trace(predictor, config["opset"])
    train = one.runs[0].faces().of_split("train")
    facts = export_files.facts(one, opened, config["margin"], config["opset"]) | of_classes
    crops, expected = export_files.ask_torch(predictor, val.pixels[parity_faces(len(val), config)])
    found: dict[str, _Exported] = {}
    reference = None
    for precision in dict.fromkeys(("fp32", *precisions)):
        model = at_precision(precision, fp32, train, config)
        graph.check(model, config["opset"])
        difference = float(np.abs(export_files.probabilities_of(model, crops) - expected).max())
        export_files.refuse_difference(precision, difference, config["tolerance"])
        batches = list(export_files.batches_of(val.pixels, [config["batch_size"]]))
        probabilities = export_files.probabilities_of(model, batches)
        reference = probabilities if reference is None else reference
        sure = abstention.calibrate(probabilities, val.labels, config["wanted_accuracy"])
        sidecar = {"precision": precision, **facts}
        sidecar |= {"parity": {"crops": len(expected), "largest_difference": difference}}
        sidecar |= {"val": export_files.measured(probabilities, reference, val)}
        sidecar |= {"threshold": sure["threshold"], "abstention": sure}
        if precision == "int8":
            sidecar["calibration"] = config["calibration"]
        found[precision] = _Exported(model, sidecar)
        log.info("%s", _line(found[precision]))
    return found


def parity_faces(n: int, config: Mapping[str, Any]) -> np.ndarray:
    """Indices of those of n faces of val on which onnxruntime must agree with torch, always the same."""
    return np.random.default_rng(0).permutation(n)[: config["parity_faces"]]


def precisions_of(wanted: str | Sequence[str], name: str | None) -> list[str]:
    """The precisions that were typed; raises FerlabError for others, and for several with one name."""
    precisions = [wanted] if isinstance(wanted, str) else list(wanted)
    if not precisions or not set(precisions) <= set(graph.PRECISIONS):
        raise FerlabError(f"precision is {wanted}; choose from {', '.join(graph.PRECISIONS)}")
    if name is not None:
        refuse_name(name)
        if len(precisions) > 1:
            raise FerlabError(f"name={name} is for one file; give one precision, as precision=fp16, or leave out name")
    return precisions


def at_precision(precision: str, fp32: onnx.ModelProto, train: Faces, config: Mapping[str, Any]) -> onnx.ModelProto:
    """A graph in a precision; int8 is calibrated on some of the training faces, as `config` says."""
    if precision == "fp32":
        return fp32
    if precision == "fp16":
        return graph.store_as_fp16(fp32)
    wanted, batch = config["calibration"], config["batch_size"]
    some = np.random.default_rng(wanted["seed"]).permutation(len(train))[: wanted["faces"]]
    crops = rgba_of(train.pixels[np.sort(some)])
    batches = [crops[i : i + batch] for i in range(0, len(crops), batch)]
    return graph.quantise(fp32, batches, wanted["reduce_range"])


def _line(made: _Exported) -> str:
    """What was measured of a file, in one line."""
    of, val = made.sidecar, made.sidecar["val"]
    line = (
        f"{of['precision']}: {made.model.ByteSize() / 1e6:.2f} MB, {split_title(of['data'], 'val')} "
        f"{percent(val['accuracy'])} % of {val['n']} faces; at most "
        f"{of['parity']['largest_difference']:.1e} from torch on {of['parity']['crops']} crops"
    )
    if of["precision"] == "fp32":
        return line
    against = val["against_fp32"]
    return line + (
        f"; against fp32 {100 * against['accuracy_change']:+.2f} points (faces that only it has right: "
        f"{against['only_this_right']}, only fp32: {against['only_fp32_right']}, McNemar's exact p "
        f"{against['mcnemar_p']:.3g}), the same class for {percent(against['agreement'])} %"
    )
