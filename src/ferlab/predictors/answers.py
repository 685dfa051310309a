"""A run and the faces of a split enter, its probabilities in each view leave: asked once, then kept in a file.

A file is of one run's weights and one split's faces, and found by their checksums, so that it is never of others.
"""

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.predictors import predictor
from ferlab.predictors.of_run import predictor_of
from ferlab.predictors.views import View
from ferlab.runs import directory

log = logging.getLogger(__name__)


def ask(
    run: directory.Run,
    pixels: np.ndarray,
    views: Sequence[View],
    folder: Path,
    batch_size: int,
    device: torch.device,
) -> np.ndarray:
    """Probabilities float32 [V,N,7] of faces uint8 [N,48,48]; only views that were never asked are computed.

    Raises:
        FerlabError: the run's checkpoint is damaged, or the disk refuses.
    """
    faces = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
    file = folder / f"{run.weights_sha256[:16]}-{faces[:16]}.npz"
    about = {"weights_sha256": run.weights_sha256, "faces_sha256": faces}
    known = _read(file, about, len(pixels))
    new = [view for view in dict.fromkeys(views) if view not in known]
    if new:
        log.info("%s: %d of %d views to ask", run.name, len(new), len(views))
        said = predictor.predict_views(predictor_of(run), pixels, new, batch_size, device)
        known |= dict(zip(new, said, strict=True))
        _write(file, about, known)
    return np.stack([known[view] for view in views])


def _read(file: Path, about: dict[str, str], n: int) -> dict[View, np.ndarray]:
    if not file.is_file():
        return {}
    try:
        with np.load(file, allow_pickle=False) as kept:
            told, probabilities = json.loads(str(kept["about"])), kept["probabilities"]
        views = [View(mirror, tuple(shift), zoom, turn) for mirror, shift, zoom, turn in told.pop("views")]
        if told != about or probabilities.shape != (len(views), n, K) or not np.isfinite(probabilities).all():
            raise ValueError(f"of {told}, shape {probabilities.shape}")
    except Exception as error:  # a damaged zip raises zip, value, key, OS and EOF errors
        log.warning("%s holds no answers of this run (%s): it is asked again", file, error)
        return {}
    return dict(zip(views, probabilities, strict=True))


def _write(file: Path, about: dict[str, str], known: dict[View, np.ndarray]) -> None:
    """Whole or not at all: two commands may ask the same run at the same time."""
    part = file.with_name(f"{file.stem}.{os.getpid()}.part")
    told = json.dumps(about | {"views": [list(view) for view in known]})
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as out:
            np.savez_compressed(out, probabilities=np.stack(list(known.values())), about=np.array(told))
        os.replace(part, file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise FerlabError(f"could not keep the run's answers in {file} ({error}); free some space") from error
