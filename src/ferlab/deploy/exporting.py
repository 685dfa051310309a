"""`python -m ferlab.export`: finished runs in, an ONNX file of each precision out, if onnxruntime answers as torch."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ferlab.data.faces import Faces, split_title
from ferlab.deploy import export_files, graph
from ferlab.ensembling import frozen, subject
from ferlab.ensembling.subject import frozen_view_set
from ferlab.errors import FerlabError
from ferlab.expressions import check_order
from ferlab.inference.onnx_model import rgba_of
from ferlab.metrics import abstention
from ferlab.pages.words import percent
from ferlab.predictors import views
from ferlab.predictors.views import view_set
from ferlab.runs import directory
from ferlab.runs.directory import refuse_unfinished
from ferlab.runs.split import Splits

log = logging.getLogger(__name__)


def export(config: dict[str, Any]) -> list[Path]:
    """Export as `config` (conf/export.yaml, resolved) says; gives the .onnx files.

    Raises:
        FerlabError: anything the user can mend; onnxruntime and torch differ, and then nothing is written.
    """
    precisions = _precisions(config["precision"], config["name"])
    if not config["runs"]:
        raise FerlabError("runs is not given; type runs=outputs/NAME, a glob in quotes or runs=[A,B]")
    chosen = subject.chosen(config["runs"])
    vote = chosen or subject.Subject(tuple(directory.load(path) for path in subject.find_members(config["runs"])))
    members, tta = vote.asked, config["tta"]
    refuse_unfinished(members)
    for run in members:
        check_order(run.info.get("expressions"), run.path)
    seen = frozen_view_set(vote, [tta] if tta else None) or view_set(tta or "none", views.SPACES[0])
    val = Splits("val").shared(members)
    folder = vote.folder or _folder(config["runs"], members, Path(config["outputs"]))
    predictor = vote.predictor(seen.views, seen.space).eval()
    fp32 = graph.trace(predictor, config["opset"])
    train = members[0].faces().of_split("train")

    facts = export_files.facts(members, folder, seen, config["margin"], config["opset"], val.sha256)
    chosen = np.random.default_rng(0).permutation(len(val.faces))[: config["parity_faces"]]
    asked, answers = export_files.ask_torch(predictor, val.faces.pixels[chosen])
    made: dict[str, tuple[onnx.ModelProto, dict[str, Any]]] = {}
    reference = None
    for precision in dict.fromkeys(("fp32", *precisions)):  # fp32 is what the others are held against
        model = _at(precision, fp32, train, config)
        graph.check(model, config["opset"])
        difference = float(np.abs(export_files.probabilities_of(model, asked) - answers).max())
        export_files.refuse_difference(precision, difference, config["tolerance"])
        told = {"precision": precision, **facts, "parity": {"crops": len(answers), "largest_difference": difference}}
        batches = export_files.batches_of(val.faces.pixels, [config["batch_size"]])
        probabilities = export_files.probabilities_of(model, batches)
        reference = probabilities if reference is None else reference
        told["val"] = export_files.measured(probabilities, reference, val.faces)
        sure = abstention.calibrate(probabilities, val.faces.labels, config["wanted_accuracy"])
        told |= {"threshold": sure["threshold"], "abstention": sure}
        if precision == "int8":
            told["calibration"] = config["calibration"]
        made[precision] = model, told
        _say(precision, model, told)
    base = folder.name if seen.title == "none" else f"{folder.name}-{seen.title}"
    out = Path(config["out"] or folder / "export")
    written = []
    for precision in precisions:
        name = config["name"] or f"{base}-{precision}"
        model, told = made[precision]
        export_files.write(model, {"name": name, **told}, out / f"{name}.onnx")
        written.append(out / f"{name}.onnx")
    return written


def _precisions(asked: str | Sequence[str], name: str | None) -> list[str]:
    precisions = [asked] if isinstance(asked, str) else list(asked)
    if not precisions or not set(precisions) <= set(graph.PRECISIONS):
        raise FerlabError(f"precision is {asked}; choose from {', '.join(graph.PRECISIONS)}")
    if name is not None:
        directory.refuse_name(name)
        if len(precisions) > 1:
            raise FerlabError(f"name={name} is for one file; give one precision, as precision=fp16, or leave out name")
    return precisions


def _folder(patterns: str | Sequence[str], members: Sequence[directory.Run], outputs: Path) -> Path:
    """The directory that the export is of: the run's, or that of the frozen ensemble."""
    if len(members) == 1:
        return members[0].path
    if isinstance(patterns, str) and (Path(patterns) / directory.MEMBERS).is_file():
        return Path(patterns)
    return frozen.freeze(members, outputs)


def _at(precision: str, fp32: onnx.ModelProto, train: Faces, config: dict[str, Any]) -> onnx.ModelProto:
    if precision == "fp32":
        return fp32
    if precision == "fp16":
        return graph.store_as_fp16(fp32)
    wanted, batch = config["calibration"], config["batch_size"]
    chosen = np.random.default_rng(wanted["seed"]).permutation(len(train))[: wanted["faces"]]
    crops = rgba_of(train.pixels[np.sort(chosen)])
    batches = [crops[i : i + batch] for i in range(0, len(crops), batch)]
    return graph.quantise(fp32, batches, wanted["reduce_range"])


def _say(precision: str, model: onnx.ModelProto, told: dict[str, Any]) -> None:
    of_val, against = told["val"], told["val"]["against_fp32"]
    line = (
        f"{precision}: {model.ByteSize() / 1e6:.2f} MB, {split_title(told['data'], 'val')} "
        f"{percent(of_val['accuracy'])} % of {of_val['n']} faces; at most "
        f"{told['parity']['largest_difference']:.1e} from torch on {told['parity']['crops']} crops"
    )
    if precision != "fp32":
        line += (
            f"; against fp32 {100 * against['accuracy_change']:+.2f} points (faces that only it has right: "
            f"{against['only_this_right']}, only fp32: {against['only_fp32_right']}, McNemar's exact p "
            f"{against['mcnemar_p']:.3g}), the same class for {percent(against['agreement'])} %"
        )
    log.info("%s", line)
