"""`python -m ferlab.explain`: what in a face carries a run's answers, by five methods that are checked themselves."""

import logging
import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from rich.progress import Progress

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, K
from ferlab.studies import attribution, explanation_page, face_regions, opening
from ferlab.studies import attribution_checks as checks
from ferlab.studies.attribution import Logits
from ferlab.studies.opening import Study

log = logging.getLogger(__name__)
KIND = "explain"
# Random maps, each a baseline for the methods of its grain: pixels at random spoil a face sooner than patches do.
BASELINES = {"random_pixels": False, "random_patches": True}
_FINE = ("gradients", "integrated_gradients")


def explain(study: Study, config: Mapping[str, Any]) -> dict[str, Any]:
    """Explain a run's answers on some faces of a split, check the maps, write the results and return them.

    Returns:
        `faces` (row in the split, label, predicted, explained), `regions` (method -> expression -> densities),
        `claims` (expression -> method -> verdict), `checks` (method -> deletion, insertion and how they differ from
        random maps), `sanity` (method -> rank correlations), `seconds` and `peak_memory_mb`.

    Raises:
        FerlabError: an unknown method or target; an ensemble; a split without a face that can be explained.
    """
    check(config)
    model = _model(study)
    started = time.perf_counter()
    chosen, answers, left_out = _choose(study, config)
    pixels, target = study.faces.pixels[chosen], answers[chosen]
    seconds: dict[str, float] = {}
    with Progress(transient=True) as progress:
        maps = {}
        for name in config["methods"]:
            since = time.perf_counter()
            maps[name] = _maps(name, model, pixels, target, study, config, progress)
            seconds[name] = opening.seconds(since)
        since = time.perf_counter()
        checked = _checks(model, pixels, maps, target, study, config, progress)
        seconds["deletion and insertion"], since = opening.seconds(since), time.perf_counter()
        sanity = _sanity(model, pixels, maps, target, study, config, progress)
        seconds["weight randomisation"] = opening.seconds(since)
    by_region = {name: face_regions.density(m) for name, m in maps.items()}
    found = {
        "settings": {key: value for key, value in config.items() if key not in ("runs", "data", "ledger")},
        "left_out_constant": left_out,
        "faces": [
            {"row": int(i), "label": EXPRESSIONS[study.faces.labels[i]], "explained": EXPRESSIONS[answers[i]]}
            for i in chosen
        ],
        "areas": {name: float(mask.mean()) for name, mask in face_regions.masks().items()},
        "regions": {name: _regions(d, target, config["seed"]) for name, d in by_region.items()},
        "claims": {
            expression: {
                name: face_regions.verdict(_of(d, target, expression), named, config["seed"])
                for name, d in by_region.items()
            }
            for expression, named in face_regions.CLAIMS.items()
        },
        "checks": checked,
        "sanity": sanity,
        "seconds": seconds | {"all": opening.seconds(started)},
        "peak_memory_mb": _peak_memory_mb(),
    }
    sections, pictures = explanation_page.content(study, found, pixels, maps, target, config["shown"])
    study.write(found, sections, pictures)
    np.savez_compressed(
        study.folder / "maps.npz", row=chosen, target=target, **{n: m.astype(np.float16) for n, m in maps.items()}
    )
    return found


def check(config: Mapping[str, Any]) -> None:
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
    if len(study.members) > 1:
        raise FerlabError(
            f"{study.about['name']} is an ensemble; explain its members, as runs={study.members[0].path.as_posix()}"
        )
    return Logits(study.predictor.preprocess, study.predictor.net).eval()


def _choose(study: Study, config: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, int]:
    """(rows that are explained, the expression of each face of the split that would be, constant faces left out)."""
    faces, rng = study.faces, np.random.default_rng(config["seed"])
    answers = faces.labels
    if config["target"] == "predicted":
        answers = study.probabilities(faces.pixels, config["batch_size"]).argmax(1)
    flat = faces.pixels.reshape(len(faces), -1)
    usable = flat.max(1) != flat.min(1)
    if not usable.any():
        raise FerlabError(f"all {len(faces)} faces are of one grey and cannot be explained; look at the data")
    queues = [rng.permutation(np.flatnonzero(usable & (answers == k))) for k in range(K)]
    for name, queue in zip(EXPRESSIONS, queues, strict=True):
        if not len(queue):
            log.warning("%s: no face to explain as %s", study.about["name"], name)
    taken: list[int] = []
    for turn in range(max(map(len, queues))):  # one of each expression in turn, until there are enough
        taken += [int(queue[turn]) for queue in queues if len(queue) > turn]
    chosen = np.array(sorted(taken[: config["faces"]], key=lambda i: (answers[i], i)))
    return chosen, answers, int((~usable).sum())


def _batches(n: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, n, size))


def _maps(
    name: str,
    model: Logits,
    pixels: np.ndarray,
    target: np.ndarray,
    study: Study,
    config: Mapping[str, Any],
    progress: Progress,
) -> np.ndarray:
    task = progress.add_task(name.replace("_", " "), total=len(pixels))
    parts = []
    for some in _batches(len(pixels), config["batch_size"]):
        parts.append(attribution.explain(name, model, pixels[some], target[some], config, study.device))
        progress.advance(task, len(parts[-1]))
    return np.concatenate(parts)


def _checks(
    model: Logits,
    pixels: np.ndarray,
    maps: Mapping[str, np.ndarray],
    target: np.ndarray,
    study: Study,
    config: Mapping[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    """Mean areas of all maps and of random ones, and of each method minus the random maps of its grain."""
    baselines = {name: checks.random_maps(len(pixels), config["seed"], s) for name, s in BASELINES.items()}
    ranked = {**maps, **baselines}
    areas: dict[str, dict[str, np.ndarray]] = {name: {} for name in ranked}
    task = progress.add_task("deletion and insertion", total=2 * len(ranked))
    for name, m in ranked.items():
        for kind in ("deletion", "insertion"):
            curves = [
                checks.curve(model, pixels[b], m[b], target[b], config["curve_steps"], kind, study.device)
                for b in _batches(len(pixels), 2 * config["batch_size"])
            ]
            areas[name][kind] = checks.area(np.concatenate(curves))
            progress.advance(task)
    found: dict[str, Any] = {}
    for name, of in areas.items():
        found[name] = {kind: float(values.mean()) for kind, values in of.items()}
        if name in maps:
            against = "random_pixels" if name in _FINE else "random_patches"
            difference = {
                kind: face_regions.interval(values - areas[against][kind], config["seed"])
                for kind, values in of.items()
            }
            informative = difference["deletion"]["high"] < 0 and difference["insertion"]["low"] > 0
            found[name] |= {"against": against, "difference": difference, "better_than_random": informative}
    return found


def _sanity(
    model: Logits,
    pixels: np.ndarray,
    maps: Mapping[str, np.ndarray],
    target: np.ndarray,
    study: Study,
    config: Mapping[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    """Mean rank correlation of maps with those of nets whose layers are random from the logits down."""
    few = np.linspace(0, len(pixels) - 1, min(config["sanity_faces"], len(pixels))).round().astype(int)
    found: dict[str, Any] = {name: {"random_share": [0.0], "correlation": [1.0]} for name in maps}
    task = progress.add_task("weight randomisation", total=config["sanity_stages"] * len(maps))
    for share, random in checks.cascade(model, config["sanity_stages"], config["seed"]):
        for name, m in maps.items():
            other = attribution.explain(name, random, pixels[few], target[few], config, study.device)
            found[name]["random_share"].append(share)
            found[name]["correlation"].append(float(checks.rank_correlation(m[few], other).mean()))
            progress.advance(task)
    for of in found.values():
        of["passes"] = checks.passes(of["correlation"], config["sanity_limit"])
    return found


def _of(by_region: Mapping[str, np.ndarray], target: np.ndarray, expression: str) -> dict[str, np.ndarray]:
    return {name: values[target == EXPRESSIONS.index(expression)] for name, values in by_region.items()}


def _regions(by_region: Mapping[str, np.ndarray], target: np.ndarray, seed: int) -> dict[str, Any]:
    return {name: face_regions.table(_of(by_region, target, name), seed) for name in EXPRESSIONS}


def _peak_memory_mb() -> float:
    """Largest resident size of this process so far; the unit of the kernel's figure differs."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)


def told(found: Mapping[str, Any], methods: Sequence[str]) -> list[str]:
    """What a reader at the terminal should know: which methods to believe, and the verdicts of these."""
    believed = [m for m in methods if found["checks"][m]["better_than_random"] and found["sanity"][m]["passes"]]
    lines = [f"pass both checks: {', '.join(believed) or 'none'} of {', '.join(methods)}"]
    for expression, named in face_regions.CLAIMS.items():
        said = ", ".join(f"{m} {found['claims'][expression][m]['verdict']}" for m in methods)
        lines.append(f"{expression} by {' and '.join(named)}: {said}")
    return lines
