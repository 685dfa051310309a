"""`python -m ferlab.ensemble`: finished runs in, an ensemble chosen on val and frozen to a file out.

Only val is asked here. What is frozen is measured by `ferlab.evaluate`, which alone opens a test split.
"""

import csv
import itertools
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from ferlab import answers, diversity, ensembles, runs, selection, views
from ferlab.cli import command, plain
from ferlab.data.faces import Faces
from ferlab.errors import FerlabError
from ferlab.evaluation import Evaluation, Seen, device_of, finished, seen_as
from ferlab.report import interval95

log = logging.getLogger(__name__)

_TEMPERATURES = ("none", "member")


class Choice(NamedTuple):
    """One way to make an ensemble of the candidates, and what val says of it.

    Attributes:
        seen: views and space.
        temperature: `none` or `member`.
        method: of `selection.METHODS`.
        accuracy: on val, where it was fitted.
        cross_validated: on val, each face said by what was chosen without it.
        weights, temperatures: float64 [M].
    """

    seen: Seen
    temperature: str
    method: str
    accuracy: float
    cross_validated: float
    weights: np.ndarray
    temperatures: np.ndarray

    @property
    def rank(self) -> tuple[float, ...]:
        """Sorts the best choice first: by cross-validated accuracy, of equals the one that costs and fits less."""
        spaces, kinds, ways = views.SPACES, _TEMPERATURES, selection.METHODS
        simple = spaces.index(self.seen.space), kinds.index(self.temperature), ways.index(self.method)
        return -self.cross_validated, len(self.seen.views), *simple


def choose(config: dict[str, Any]) -> tuple[Path, list[Choice]]:
    """Choose as `config` (conf/ensemble.yaml, resolved) says; returns the frozen directory and all choices, best first.

    Raises:
        FerlabError: a value that is none of the choices, fewer than two finished runs, runs with different val faces,
            or a name that stands for another choice.
    """
    if not config["name"]:
        raise FerlabError("name is not given; type name=NAME: it is measured as runs=outputs/ensembles/NAME")
    runs.refuse_name(config["name"])
    sets = _sets(config)
    temperatures = _several(config, "temperature", _TEMPERATURES)
    methods = _several(config, "method", selection.METHODS)
    recipe = selection.Recipe(**config["greedy"], seed=config["seed"])
    outputs = Path(config["outputs"])
    candidates = _candidates(config["runs"])
    shared = Evaluation(None, "val", device=config["device"], outputs=outputs).shared(candidates)
    by_set = _answers(candidates, shared.faces, sets, config)

    choices: list[Choice] = []
    for seen, temperature in itertools.product(sets, temperatures):
        choices += _fitted(by_set[seen.title], shared.faces.labels, seen, temperature, methods, recipe, config)
    choices.sort(key=lambda choice: choice.rank)
    best = choices[0]
    chosen_on = {"split": "val", "faces_sha256": shared.sha256, "n": len(shared.faces), "accuracy": best.accuracy}
    chosen_on |= {"interval95": interval95(round(best.accuracy * len(shared.faces)), len(shared.faces))}
    chosen_on |= {"cross_validated_accuracy": best.cross_validated, "choices": len(choices)}
    chosen_on |= {key: config[key] for key in ("folds", "repeats", "seed", "greedy")}
    chosen_on["candidates"] = [{"name": run.name, "weights_sha256": run.weights_sha256} for run in candidates]
    folder = _freeze(best, candidates, recipe, chosen_on, outputs, config["name"])
    _write(folder, choices, candidates, by_set, shared.faces.labels)
    return folder, choices


def _candidates(patterns: str | Sequence[str] | None) -> list[runs.Run]:
    if not patterns:
        raise FerlabError("runs is not given; type runs='outputs/*' or runs=[A,B]")
    found = [runs.load(path) for path in runs.find(patterns)]
    done = [run for run in found if finished(run)]
    if left := [run.name for run in found if run not in done]:
        log.info("left out, unfinished: %s", ", ".join(left))
    if len(done) < 2:
        raise FerlabError(f"an ensemble needs at least two finished runs, found {len(done)}; type runs='outputs/*'")
    return done


def _several(config: dict[str, Any], key: str, known: Sequence[str]) -> list[str]:
    value = config[key]
    given = list(known) if value == "auto" else [value] if isinstance(value, str) else list(value)
    unknown = [repr(v) for v in given if v not in known]
    if unknown or not given:
        raise FerlabError(f"{key} is {', '.join(unknown) or 'empty'}; choose auto, {', '.join(known)}")
    return list(dict.fromkeys(given))


def _sets(config: dict[str, Any]) -> list[Seen]:
    names, spaces = _several(config, "tta", list(views.VIEWS)), _several(config, "tta_space", views.SPACES)
    return list(dict.fromkeys(seen_as(name, space) for name, space in itertools.product(names, spaces)))


def _answers(
    candidates: Sequence[runs.Run], faces: Faces, sets: Sequence[Seen], config: dict[str, Any]
) -> dict[str, np.ndarray]:
    """For each set of views the candidates' probabilities, float64 [M,N,7]."""
    union = list(dict.fromkeys(view for seen in sets for view in seen.views))
    kept, device = Path(config["outputs"]) / "answers", device_of(config["device"])
    given: dict[str, list[np.ndarray]] = {seen.title: [] for seen in sets}
    for run in candidates:
        by_view = torch.from_numpy(answers.ask(run, faces.pixels, union, kept, config["batch_size"], device))
        for seen in sets:
            places = [union.index(view) for view in seen.views]
            given[seen.title].append(views.mean_over(by_view[places], seen.space).double().numpy())
    return {title: np.stack(each) for title, each in given.items()}


def _fitted(
    given: np.ndarray,
    labels: np.ndarray,
    seen: Seen,
    temperature: str,
    methods: Sequence[str],
    recipe: selection.Recipe,
    config: dict[str, Any],
) -> list[Choice]:
    """Every method on probabilities [M,N,7], fitted on all of val and, for the estimate, on parts of it."""

    def temperatures_of(faces: np.ndarray) -> np.ndarray:
        if temperature == "none":
            return np.ones(len(given))
        return np.array([round(selection.temperature(p[faces], labels[faces]), 4) for p in given])

    right = np.zeros((len(methods), len(labels)))
    for chosen_by, said in selection.folded(labels, config["folds"], config["repeats"], config["seed"]):
        tempered = selection.temper(given, temperatures_of(chosen_by))
        for k, method in enumerate(methods):
            weights = selection.weigh(method, tempered[:, chosen_by], labels[chosen_by], recipe)
            right[k, said] += selection.mix(weights, tempered[:, said]).argmax(1) == labels[said]
    temperatures = temperatures_of(np.arange(len(labels)))
    tempered, choices = selection.temper(given, temperatures), []
    for k, method in enumerate(methods):
        # Six digits: what another machine's last digits would change must not make another ensemble of it.
        weights = selection.weigh(method, tempered, labels, recipe).round(6)
        accuracy = float((selection.mix(weights, tempered).argmax(1) == labels).mean())
        estimate = float(right[k].mean() / config["repeats"])
        choices.append(Choice(seen, temperature, method, accuracy, estimate, weights, temperatures))
    return choices


def _freeze(
    best: Choice,
    candidates: Sequence[runs.Run],
    recipe: selection.Recipe,
    chosen_on: dict[str, Any],
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
        "specialists": [],
        "method": best.method,
        "size": recipe.size if best.method == "greedy" else len(members),
        "temperature": best.temperature,
        "tta": best.seen.name,
        "tta_space": best.seen.space,
        "views": [list(view) for view in best.seen.views],
        "chosen_on": chosen_on,
        "frozen_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": runs.commit(),
        "environment": runs.environment(),
    }
    return ensembles.freeze_chosen(outputs, name, content)


def _write(
    folder: Path,
    choices: Sequence[Choice],
    candidates: Sequence[runs.Run],
    by_set: dict[str, np.ndarray],
    labels: np.ndarray,
) -> None:
    """What the choice was made from: choices.csv, members.csv, pairs.csv and error_correlation.png."""
    best = choices[0]
    with (folder / "choices.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["tta", "tta_space", "temperature", "method", "members", *_FIGURES])
        rows.writerows(
            [c.seen.name, c.seen.space, c.temperature, c.method, int((c.weights > 0).sum()), *map(str, _figures(c))]
            for c in choices
        )
    predicted = by_set[best.seen.title].argmax(2)  # [M,N]
    with (folder / "members.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "weight", "temperature", *by_set])
        for m, run in enumerate(candidates):
            alone = [float((given[m].argmax(1) == labels).mean()) for given in by_set.values()]
            rows.writerow([run.name, best.weights[m], best.temperatures[m], *alone])
    diversity.write(
        folder, [r.name for r in candidates], diversity.pairs([r.name for r in candidates], predicted, labels)
    )


_FIGURES = ("val_accuracy", "val_cross_validated", "optimism")


def _figures(choice: Choice) -> tuple[float, float, float]:
    return choice.accuracy, choice.cross_validated, choice.accuracy - choice.cross_validated


def _say(folder: Path, choices: Sequence[Choice]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    table = Table("views", "temperature", "method", "members", "val", "cross-validated", "optimism")
    for c in choices[:12]:
        figures = [f"{100 * figure:.2f}" for figure in _figures(c)]
        table.add_row(c.seen.title, c.temperature, c.method, str(int((c.weights > 0).sum())), *figures)
    console.print(table)
    if len(choices) > 12:
        console.print(f"  the other {len(choices) - 12} stand in {folder / 'choices.csv'}", style="dim")
    vote = ensembles.chosen(str(folder))
    for run, weight, temperature in zip(vote.members, vote.weights, vote.temperatures, strict=True):
        console.print(f"  {weight:.3f}  {run.name}" + (f", temperature {temperature:.2f}" if temperature != 1 else ""))
    console.print(f"frozen: {folder}; next: python -m ferlab.evaluate runs={folder} split=test")


@command("ensemble")
def main(cfg: DictConfig) -> None:
    folder, choices = choose(plain(cfg))
    _say(folder, choices)


if __name__ == "__main__":
    main()
