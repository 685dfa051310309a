"""Finished runs in, an ensemble chosen on val and frozen to a file out.

Only val is opened here. `ferlab.evaluate` measures what is frozen, and it alone opens a test split.
"""

import itertools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferlab import files
from ferlab.data.faces import Faces
from ferlab.ensembling import choosing, diversity, frozen, named, specialists, weighting
from ferlab.ensembling.subject import of_run
from ferlab.errors import FerlabError
from ferlab.files import Config, Json, refuse_name
from ferlab.metrics.statistics import accuracy_of
from ferlab.metrics.temperature import temper
from ferlab.predictors import views
from ferlab.predictors.predictor import device_of
from ferlab.predictors.progress import track
from ferlab.predictors.views import ViewSet, view_set
from ferlab.runs import directory, provenance
from ferlab.runs.directory import finished
from ferlab.runs.split import Splits

log = logging.getLogger(__name__)


def choose(config: Config) -> tuple[Path, list[choosing.Choice]]:
    """Choose as `config` (conf/ensemble.yaml, resolved) says; returns the frozen directory and all choices, best first.

    Raises:
        FerlabError: a value that is none of the choices, fewer than two finished runs, runs with different val faces,
            or a name that stands for another choice.
    """
    if config["name"] is None:
        raise FerlabError("name is not given; type name=NAME: it is measured as runs=outputs/ensembles/NAME")
    refuse_name(config["name"])
    sets = _sets(config)
    temperatures = _several(config, "temperature", choosing.TEMPERATURES)
    methods = _several(config, "method", weighting.METHODS)
    recipe = weighting.Recipe(**config["greedy"], seed=config["seed"])
    outputs = Path(config["outputs"])
    candidates, trained_on_pairs = _candidates(config["runs"])
    shared = Splits("val").shared([*candidates, *trained_on_pairs])
    by_set = _probabilities(candidates, shared.faces, sets, config)

    choices: list[choosing.Choice] = []
    for wanted, temperature in itertools.product(sets, temperatures):
        choices += choosing.fitted(
            by_set[wanted.title], shared.faces.labels, wanted, temperature, methods, recipe, config
        )
    choices.sort(key=lambda choice: choice.rank)
    best, labels = choices[0], shared.faces.labels
    base = weighting.mix(best.weights, temper(by_set[best.view_set.title], best.temperatures))  # [N,7]
    trials = _tried(base, trained_on_pairs, shared.faces, best.view_set, config)
    kept = [trial for trial in trials if trial.kept]
    final = specialists.second_stage(base, kept)
    chosen_on = {"split": "val", "faces_sha256": shared.sha256} | accuracy_of(final.argmax(1) == labels)
    chosen_on |= {"without_specialists": best.accuracy, "cross_validated_accuracy": best.cross_validated}
    chosen_on |= {key: config[key] for key in ("folds", "repeats", "seed", "greedy")} | {"choices": len(choices)}
    chosen_on["candidates"] = [
        {"name": run.name, "weights_sha256": run.weights_sha256} for run in (*candidates, *trained_on_pairs)
    ]
    folder = _freeze(best, candidates, kept, recipe, chosen_on, outputs, config["name"])
    _write(folder, choices, candidates, by_set, labels)
    _write_trials(folder, trials)
    return folder, choices


def _candidates(patterns: str | Sequence[str] | None) -> tuple[list[directory.Run], list[directory.Run]]:
    """Finished runs: those that know all expressions, and those that were trained on two of them."""
    found = [run for one in named.each(patterns) if one.is_run for run in one.runs]
    done = [run for run in found if finished(run)]
    if left := [run.name for run in found if run not in done]:
        log.info("left out, unfinished: %s", ", ".join(left))
    members = [run for run in done if specialists.pair_of(run) is None]
    if len(members) < 2:
        raise FerlabError(f"an ensemble needs at least two finished runs, found {len(members)}; type runs='outputs/*'")
    return members, [run for run in done if run not in members]


def _several(config: Config, key: str, known: Sequence[str]) -> list[str]:
    value = config[key]
    wanted = list(known) if value == "auto" else [value] if isinstance(value, str) else list(value)
    unknown = [repr(v) for v in wanted if v not in known]
    if unknown or not wanted:
        raise FerlabError(f"{key} is {', '.join(unknown) or 'empty'}; choose auto, {', '.join(known)}")
    return list(dict.fromkeys(wanted))


def _sets(config: Config) -> list[ViewSet]:
    names, spaces = _several(config, "tta", list(views.VIEWS)), _several(config, "tta_space", views.SPACES)
    return list(dict.fromkeys(view_set(name, space) for name, space in itertools.product(names, spaces)))


def _probabilities(
    candidates: Sequence[directory.Run], faces: Faces, sets: Sequence[ViewSet], config: Config
) -> dict[str, np.ndarray]:
    """For each view set the candidates' probabilities, float64 [M,N,7]; computed once, then kept."""
    kept, device = Path(config["outputs"]) / "answers", device_of(config["device"])
    subjects, size = [of_run(run) for run in candidates], config["batch_size"]
    by_run = [one.ask(faces.pixels, sets, kept, size, device) for one in track(subjects, "runs")]
    return {one.title: np.stack([found[one.title] for found in by_run]).astype(np.float64) for one in sets}


def _tried(
    base: np.ndarray, trained_on_pairs: Sequence[directory.Run], faces: Faces, wanted: ViewSet, config: Config
) -> list[specialists.Trial]:
    if not trained_on_pairs:
        return []
    found = _probabilities(trained_on_pairs, faces, [wanted], config)[wanted.title]
    return specialists.tried(base, trained_on_pairs, found, faces.labels, config["specialist_level"])


def _freeze(
    best: choosing.Choice,
    candidates: Sequence[directory.Run],
    kept: Sequence[specialists.Trial],
    recipe: weighting.Recipe,
    chosen_on: Json,
    outputs: Path,
    name: str,
) -> Path:
    members = [
        {"name": run.name, "path": run.path.as_posix(), "weights_sha256": run.weights_sha256}
        | {"weight": float(weight), "temperature": float(temperature)}
        for run, weight, temperature in zip(candidates, best.weights, best.temperatures, strict=True)
        if weight > 0
    ]
    content = {
        "members": members,
        "specialists": [
            {"name": one.run.name, "path": one.run.path.as_posix(), "weights_sha256": one.run.weights_sha256}
            | {"pair": list(one.pair), "gained": one.gained, "lost": one.lost, "p_holm": one.p_holm}
            for one in kept
        ],
        "method": best.method,
        "size": recipe.size if best.method == "greedy" else len(members),
        "temperature": best.temperature,
        "tta": best.view_set.name,
        "tta_space": best.view_set.space,
        "views": [list(view) for view in best.view_set.views],
        "chosen_on": chosen_on,
        "frozen_at": provenance.now(),
        "commit": provenance.commit(),
        "environment": provenance.environment(),
    }
    return frozen.freeze_chosen(outputs, name, content)


def _write(
    folder: Path,
    choices: Sequence[choosing.Choice],
    candidates: Sequence[directory.Run],
    by_set: dict[str, np.ndarray],
    labels: np.ndarray,
) -> None:
    """What the choice was made from: choices.csv, members.csv, pairs.csv and error_correlation.png."""
    best = choices[0]
    rows: list[list[Any]] = [["tta", "tta_space", "temperature", "method", "members", *FIGURES]]
    for c in choices:
        how = [c.view_set.name, c.view_set.space, c.temperature, c.method, int((c.weights > 0).sum())]
        rows.append([*how, *map(str, figures_of(c))])
    files.write_csv(folder / "choices.csv", rows)
    predicted = by_set[best.view_set.title].argmax(2)  # [M,N]
    rows = [["name", "weight", "temperature", *by_set]]
    for m, run in enumerate(candidates):
        alone = [float((probabilities[m].argmax(1) == labels).mean()) for probabilities in by_set.values()]
        rows.append([run.name, best.weights[m], best.temperatures[m], *alone])
    files.write_csv(folder / "members.csv", rows)
    diversity.write(
        folder, [r.name for r in candidates], diversity.pairs([r.name for r in candidates], predicted, labels)
    )


def _write_trials(folder: Path, trials: Sequence[specialists.Trial]) -> None:
    if not trials:
        return
    head = ["name", "pair", "faces", "gained", "lost", "p", "p_holm", "kept"]
    rows = [[t.run.name, "/".join(t.pair), t.faces, t.gained, t.lost, t.p, t.p_holm, t.kept] for t in trials]
    files.write_csv(folder / "specialists.csv", [head, *rows])


FIGURES = ("val_accuracy", "val_cross_validated", "optimism")


def figures_of(choice: choosing.Choice) -> tuple[float, float, float]:
    return choice.accuracy, choice.cross_validated, choice.accuracy - choice.cross_validated
