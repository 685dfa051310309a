"""An exported model and a split in, its report out: the file that is shipped is measured as runs are."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ferlab.errors import FerlabError
from ferlab.evaluation import ledger, report
from ferlab.inference.onnx_model import OnnxModel, rgba_of
from ferlab.metrics import scores
from ferlab.runs import directory, provenance
from ferlab.runs.split import Split, Splits

log = logging.getLogger(__name__)

FOLDER = "exported"  # in outputs
_SAME = 0.002  # by how much an accuracy may differ from the stated one: processors round int8 differently, no more


def evaluate_exported(
    path: str | Path,
    split: str = "val",
    batch_size: int = 64,
    outputs: str | Path = "outputs",
    ledger_path: str | Path = "outputs/ledger.jsonl",
    skip_measured: bool = False,
) -> Path:
    """Measure an exported model by onnxruntime on a split of the data that its JSON names.

    Returns:
        The folder of its report, outputs/exported/NAME/reports/SPLIT-VIEWS.

    Raises:
        FerlabError: as `OnnxModel.open`; no such split or data; on val another accuracy than the JSON states.
    """
    model = OnnxModel.open(path)
    told = model.sidecar
    members = [directory.Run(Path(run["name"]), run["config"], run["info"]) for run in told["runs"]]
    measured_on = Splits(split).shared(members)
    folder = Path(outputs) / FOLDER / model.path.stem / "reports" / f"{split}-{told['tta']}"
    if skip_measured and _is_report_of(folder, told["sha256"], measured_on.sha256):
        log.info("%s, %s: measured already", model.path.stem, split)
        return folder
    pixels = measured_on.faces.pixels
    batches = [rgba_of(pixels[i : i + batch_size]) for i in range(0, len(pixels), batch_size)]
    probabilities = np.concatenate([model(rgba) for rgba in batches])
    provenance = _provenance(model, members, split) | {"faces_sha256": measured_on.sha256}
    if split == "test":
        names, commit = [model.path.stem], provenance["evaluated_commit"]
        entry = ledger.look(ledger_path, names, [told["sha256"]], told["data"], split, commit, [told["tta"]])
        provenance |= {key: entry[key] for key in ("looks_before", "looks_before_at_data")}
    measured = scores.measure(probabilities, measured_on.faces, measured_on.twins)
    report.write_report(folder, measured, provenance, probabilities, measured_on.faces)
    if split == "val":
        _compare(model, measured["accuracy"], measured_on)
    return folder


def _provenance(model: OnnxModel, members: list[directory.Run], split: str) -> dict[str, Any]:
    told = model.sidecar
    one = members[0].info if len(members) == 1 else {}
    return {
        "name": model.path.stem,
        "model": f"{one.get('model', 'ensemble')}, {told['precision']} ONNX",
        "members": [run.name for run in members],
        "data": told["data"],
        "split": split,
        "tta": told["tta"],
        "views": told["views"],
        "seed": [run.info.get("seed") for run in members] if len(members) > 1 else one.get("seed"),
        "class_weights": one.get("class_weights"),
        "parameters": one.get("parameters"),
        "commit": told["commit"],
        "weights_sha256": [told["sha256"]],
        "evaluated_commit": provenance.commit(),
        "evaluated_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "evaluated_on": "onnxruntime, cpu",
        "environment": provenance.environment(),
        "export": told,
    }


def _compare(model: OnnxModel, accuracy: float, measured_on: Split) -> None:
    """Hold what was measured on val against what the JSON states of the same faces."""
    told = model.sidecar
    if told["val_faces_sha256"] != measured_on.sha256:
        log.warning("these are not the val faces that %s states an accuracy of; nothing to compare", model.path.name)
        return
    stated = told["val"]["accuracy"]
    if abs(accuracy - stated) > _SAME:
        raise FerlabError(
            f"{model.path} is right on {100 * accuracy:.2f} % of the val faces, and states {100 * stated:.2f} %; the "
            "processor or this onnxruntime computes it otherwise: compare environment in the report, or export anew"
        )
    log.info("as stated: %.2f %% on val, the file says %.2f %%", 100 * accuracy, 100 * stated)


def _is_report_of(folder: Path, sha256: str, faces_sha256: str) -> bool:
    try:
        told = json.loads((folder / "report.json").read_text())
    except (OSError, ValueError):
        return False
    return told.get("weights_sha256") == [sha256] and told.get("faces_sha256") == faces_sha256
