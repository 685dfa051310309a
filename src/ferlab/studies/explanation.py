"""Attribution maps of a run's predictions and the checks of these maps, as `python -m ferlab.explain` makes them."""

import contextlib
import itertools
import logging
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ferlab import files
from ferlab.commandline import typed
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, K
from ferlab.pages.sections import png
from ferlab.predictors.predictor import Model
from ferlab.predictors.progress import running, track
from ferlab.studies import attribution, explanation_figures, explanation_page, face_regions, opening
from ferlab.studies import attribution_checks as checks
from ferlab.studies.attribution import Logits
from ferlab.studies.explanation_figures import Maps
from ferlab.studies.explanation_record import Check, Claim, Densities, ExplainedFace, ExplanationRecord, Sanity
from ferlab.studies.opening import Study

log = logging.getLogger(__name__)
KIND = "explain"
# Random maps, each a baseline for the methods of its grain: random pixels change a prediction sooner than patches do.
BASELINES = {"random_pixels": False, "random_patches": True}
_FINE = ("gradients", "integrated_gradients")
_CURVES = ("deletion", "insertion")


@dataclass(frozen=True)
class _Work:
    """What each part of the work needs.

    Attributes:
        pixels: of the explained faces, uint8 [N,48,48].
        target: the expression that is explained, int [N].
        config: settings of the command.
    """

    model: Logits
    pixels: np.ndarray
    target: np.ndarray
    config: Mapping[str, Any]
    device: torch.device

    def attribute(self, method: str, faces: np.ndarray | slice, model: Logits | None = None) -> np.ndarray:
        """Maps float32 [n,48,48] of some of the faces; `model`: another one than the run's."""
        pixels, target = self.pixels[faces], self.target[faces]
        return attribution.explain(method, model or self.model, pixels, target, self.config, self.device)

    def batches(self, size: int) -> Iterator[slice]:
        """The faces as slices of at most `size`."""
        return (slice(start, start + size) for start in range(0, len(self.target), size))


def explain(study: Study, config: Mapping[str, Any]) -> ExplanationRecord:
    """Explain a run's predictions on some faces of a split, check the maps, write the results and return them.

    Raises:
        FerlabError: an unknown method or target; an ensemble; a split without a face that can be explained.
    """
    check(config)
    model, started = _model(study), time.perf_counter()
    rows, expressions, left_out = _choose(study, config)
    pixels, target, labels = study.faces.pixels[rows], expressions[rows], study.faces.labels[rows]
    seconds: dict[str, float] = {}
    work, maps = _Work(model, pixels, target, config, study.device), {}
    for name in config["methods"]:
        with _timed(seconds, name):
            maps[name] = _maps(work, name)
    with _timed(seconds, "deletion and insertion"):
        checked = _checks(work, maps)
    with _timed(seconds, "weight randomisation"):
        sanity = _sanity(work, maps)
    densities = {name: face_regions.density(m) for name, m in maps.items()}
    record = ExplanationRecord(
        settings={key: value for key, value in config.items() if key not in ("runs", "data", "ledger")},
        left_out_constant=left_out,
        faces=[
            ExplainedFace(int(i), EXPRESSIONS[k], EXPRESSIONS[t]) for i, k, t in zip(rows, labels, target, strict=True)
        ],
        areas={name: float(mask.mean()) for name, mask in face_regions.masks().items()},
        regions={name: _regions(d, target, config["seed"]) for name, d in densities.items()},
        claims={
            expression: _claims(densities, target, expression, config["seed"]) for expression in face_regions.CLAIMS
        },
        checks=checked,
        sanity=sanity,
        seconds=seconds | {"all": opening.seconds(started)},
        peak_memory_mb=_peak_memory_mb(),
    )
    _write(study, record, Maps(pixels, labels, target, maps), rows)
    return record


def check(config: Mapping[str, Any]) -> None:
    """Raise FerlabError for an unknown method or target and for a number below 1."""
    if unknown := [name for name in config["methods"] if name not in attribution.METHODS]:
        raise FerlabError(f"methods has {unknown[0]!r}; choose from {', '.join(attribution.METHODS)}")
    if not config["methods"]:
        raise FerlabError(f"methods is empty; choose from {', '.join(attribution.METHODS)}")
    if config["target"] not in ("predicted", "label"):
        raise FerlabError(f"target is {config['target']!r}; choose predicted or label")
    for key in ("faces", "sanity_faces", "curve_steps", "steps"):
        if config[key] < 1:
            raise FerlabError(f"{key} is {config[key]}; expected a number from 1 on")


def _model(study: Study) -> Logits:
    if not isinstance(study.predictor, Model):
        raise FerlabError(
            f"{study.provenance.name} is an ensemble; explain its members, as {typed('runs', study.members[0].path)}"
        )
    return Logits(study.predictor.preprocess, study.predictor.net).eval()


def _choose(study: Study, config: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, int]:
    """(rows that are explained, expression that would be explained of each face, number of constant faces left out)."""
    faces, rng = study.faces, np.random.default_rng(config["seed"])
    expressions = faces.labels
    if config["target"] == "predicted":
        expressions = study.probabilities(faces.pixels, config["batch_size"]).argmax(1)
    flat = faces.pixels.reshape(len(faces), -1)
    usable = flat.max(1) != flat.min(1)
    if not usable.any():
        raise FerlabError(f"all {len(faces)} faces are of one grey and cannot be explained; look at the data")
    queues = [rng.permutation(np.flatnonzero(usable & (expressions == k))) for k in range(K)]
    for name, queue in zip(EXPRESSIONS, queues, strict=True):
        if not len(queue):
            log.warning("%s: no face to explain as %s", study.provenance.name, name)
    taken: list[int] = []
    for turn in range(max(map(len, queues))):  # one of each expression in turn, until there are enough
        taken += [int(queue[turn]) for queue in queues if len(queue) > turn]
    rows = np.array(sorted(taken[: config["faces"]], key=lambda i: (expressions[i], i)))
    return rows, expressions, int((~usable).sum())


@contextlib.contextmanager
def _timed(seconds: dict[str, float], part: str) -> Iterator[None]:
    since = time.perf_counter()
    yield
    seconds[part] = opening.seconds(since)


def _maps(work: _Work, method: str) -> np.ndarray:
    batches = list(work.batches(work.config["batch_size"]))
    return np.concatenate([work.attribute(method, some) for some in track(batches, method.replace("_", " "))])


def _checks(work: _Work, maps: Mapping[str, np.ndarray]) -> dict[str, Check]:
    """Mean areas of all maps and of random ones, and of each method minus the random maps of its grain."""
    seed = work.config["seed"]
    baselines = {name: checks.random_maps(len(work.target), seed, smooth) for name, smooth in BASELINES.items()}
    areas = _areas(work, {**maps, **baselines})
    found = {}
    for name, of in areas.items():
        means = {kind: float(values.mean()) for kind, values in of.items()}
        if name in BASELINES:
            found[name] = Check(means["deletion"], means["insertion"])
            continue
        against = "random_pixels" if name in _FINE else "random_patches"
        difference = {kind: face_regions.interval(of[kind] - areas[against][kind], seed) for kind in _CURVES}
        better = difference["deletion"].high < 0 and difference["insertion"].low > 0
        found[name] = Check(means["deletion"], means["insertion"], against, difference, better)
    return found


def _areas(work: _Work, maps: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Map -> deletion, insertion -> area under the curve of each face, [N]."""
    areas: dict[str, dict[str, np.ndarray]] = {name: {} for name in maps}
    pixels, target, steps = work.pixels, work.target, work.config["curve_steps"]
    for name, kind in track(list(itertools.product(maps, _CURVES)), "deletion and insertion"):
        m = maps[name]
        curves = [
            checks.curve(work.model, pixels[b], m[b], target[b], steps, kind, work.device)
            for b in work.batches(2 * work.config["batch_size"])
        ]
        areas[name][kind] = checks.area(np.concatenate(curves))
    return areas


def _sanity(work: _Work, maps: Mapping[str, np.ndarray]) -> dict[str, Sanity]:
    """Mean rank correlation of maps with those of nets whose layers are random from the logits down."""
    config, n = work.config, len(work.target)
    few = np.linspace(0, n - 1, min(config["sanity_faces"], n)).round().astype(int)
    shares, correlation = [0.0], {name: [1.0] for name in maps}
    with running("weight randomisation", config["sanity_stages"] * len(maps)) as advance:
        for share, random in checks.cascade(work.model, config["sanity_stages"], config["seed"]):
            shares.append(share)
            for name, m in maps.items():
                other = work.attribute(name, few, random)
                correlation[name].append(float(checks.rank_correlation(m[few], other).mean()))
                advance(1)
    return {name: Sanity(shares, c, checks.passes(c, config["sanity_limit"])) for name, c in correlation.items()}


def _of(by_region: Mapping[str, np.ndarray], target: np.ndarray, expression: str) -> dict[str, np.ndarray]:
    return {name: values[target == EXPRESSIONS.index(expression)] for name, values in by_region.items()}


def _regions(by_region: Mapping[str, np.ndarray], target: np.ndarray, seed: int) -> dict[str, Densities | None]:
    return {name: face_regions.densities(_of(by_region, target, name), seed) for name in EXPRESSIONS}


def _claims(
    densities: Mapping[str, Mapping[str, np.ndarray]], target: np.ndarray, expression: str, seed: int
) -> dict[str, Claim]:
    named = face_regions.CLAIMS[expression]
    return {name: face_regions.verdict(_of(d, target, expression), named, seed) for name, d in densities.items()}


def _write(study: Study, record: ExplanationRecord, maps: Maps, rows: np.ndarray) -> None:
    shown, pictures = explanation_figures.sheets(maps, record.settings["shown"])
    pictures["sanity.png"] = png(explanation_page.sanity, record)
    study.write(record, explanation_page, shown, pictures)
    arrays: dict[str, Any] = {name: m.astype(np.float16) for name, m in maps.by_method.items()}
    with files.replacing(study.folder / "maps.npz") as file:
        np.savez_compressed(file, row=rows, target=maps.target, **arrays)


def _peak_memory_mb() -> float:
    """Largest resident size of this process so far; the unit of the kernel's figure differs."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
