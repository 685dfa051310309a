"""An exported model and a split in, its report out: the file that is shipped is measured as runs are."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ferlab.errors import FerlabError
from ferlab.evaluation import report
from ferlab.evaluation.door import Door, Opened
from ferlab.inference.onnx_model import OnnxModel, rgba_of
from ferlab.inference.priors import corrected, of_model, shares_of, title
from ferlab.inference.priors import factors as factors_of
from ferlab.metrics import scores
from ferlab.predictors.progress import track

log = logging.getLogger(__name__)

FOLDER = "exported"  # in outputs
_BATCH = 64
_SAME = 0.002  # by how much an accuracy may differ from the stated one: processors round int8 differently, no more


def evaluate_exported(
    path: str | Path,
    door: Door,
    outputs: Path = Path("outputs"),
    skip_measured: bool = False,
    priors: str | Sequence[float] | None = None,
) -> Path:
    """Measure an exported model by onnxruntime on a split of the door's data, else of the data that its JSON names.

    Args:
        priors: shares of the classes that its answers are weighed for, as `Predictor` does; its name tells then.

    Returns:
        The folder of its report, outputs/exported/NAME/reports/SPLIT-VIEWS or .../elsewhere/DATA-SPLIT-VIEWS.

    Raises:
        FerlabError: as `OnnxModel.open`; no such data; on val another accuracy than the JSON states.
    """
    model = OnnxModel.open(path)
    opened, factors = _weighed(door.open_exported(model), model, priors)
    of = opened.provenance
    folder = door.folder_of(outputs / FOLDER / of.name, str(of.tta))
    there = report.read(folder)
    keys = ("weights_sha256", "faces_sha256", "priors")
    if skip_measured and all(there.get(key) == getattr(of, key) for key in keys):
        log.info("%s, %s: measured already", of.name, of.split)
        return folder
    opened.refuse_unwritable([folder])  # before the work
    pixels = opened.faces.pixels
    batches = [rgba_of(pixels[i : i + _BATCH]) for i in range(0, len(pixels), _BATCH)]
    probabilities = np.concatenate([model(rgba) for rgba in track(batches, "batches")])
    probabilities = probabilities if factors is None else corrected(probabilities, factors)
    opened = opened.look([str(of.tta)], [folder])
    measured = scores.measure(probabilities, opened.faces, opened.twins)
    report.write_report(folder, measured, opened.provenance.as_json(), probabilities, opened.faces)
    if of.split == "val" and not door.elsewhere and priors is None:
        _compare(model, measured["correct"] / measured["n"], opened)
    return folder


def _weighed(
    opened: Opened, model: OnnxModel, priors: str | Sequence[float] | None
) -> tuple[Opened, np.ndarray | None]:
    """What was opened under the name of its priors, and the factor of each class; None without priors."""
    if priors is None:
        return opened, None
    shares = shares_of(priors)
    name = f"{opened.provenance.name}-{title(priors)}"
    of = replace(opened.provenance, name=name, priors=shares.tolist())
    return replace(opened, provenance=of), factors_of(shares, of_model(model.sidecar))


def _compare(model: OnnxModel, accuracy: float, opened: Opened) -> None:
    """Compare the accuracy on val with the one that the JSON states of the same faces."""
    stated = model.sidecar
    if "val" not in stated or "val_faces_sha256" not in stated:
        log.info("%s states no accuracy; nothing to compare", model.path.name)
        return
    if stated["val_faces_sha256"] != opened.provenance.faces_sha256:
        log.warning("these are not the val faces that %s states an accuracy of; nothing to compare", model.path.name)
        return
    expected = stated["val"]["accuracy"]
    if abs(accuracy - expected) > _SAME:
        raise FerlabError(
            f"{model.path} is right on {100 * accuracy:.2f} % of the val faces, and states {100 * expected:.2f} %; the "
            "processor or this onnxruntime computes it otherwise: compare environment in the report, or export anew"
        )
    log.info("as stated: %.2f %% on val, the file says %.2f %%", 100 * accuracy, 100 * expected)
