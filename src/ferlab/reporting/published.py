"""results/: what was published of runs, ensembles and exported models, in a few compact files.

runs.csv          a row a run, ensemble or exported model: its name, the sha256 of its weights, what it is
measurements.csv  a row a split and set of views: counts, accuracy, intervals, calibration
predicted.npz     the predicted class of each face, the label of each face, the reliability diagrams
configs.jsonl     what else is known of each: config.yaml and run.json, of an ensemble its members and how they vote
conditions.json   versions and views that the measurements share
curves.csv.gz     metrics.csv of all runs
studies.jsonl     what calibrate, robustness, analyse and explain found

A sha256 joins them. What predictions and labels already say (recall, precision, the confusion matrix, McNemar's test)
is computed when it is read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

import numpy as np

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.files import Json
from ferlab.metrics.scores import by_class
from ferlab.reporting import published_rows
from ferlab.reporting.published_rows import Curves, Measurement, Run

RUNS, MEASUREMENTS, PREDICTED, CONFIGS = "runs.csv", "measurements.csv", "predicted.npz", "configs.jsonl"
CONDITIONS, CURVES, STUDIES = "conditions.json", "curves.csv.gz", "studies.jsonl"
SHORT = 16  # hex digits of a checksum that name an array


@dataclass(frozen=True)
class Study:
    """A line of studies.jsonl: the kind of study, SPLIT-VIEWS or DATA-SPLIT-VIEWS, and what KIND.json holds."""

    kind: str
    place: str
    content: Json


@dataclass(frozen=True)
class Entry:
    """What is published of one run, ensemble or exported model.

    Attributes:
        reports: contents of report.json, each with `predicted`, uint8 [N], and `labels`, uint8 [N].
        config, info: config.yaml and run.json; None of an ensemble or an exported model.
        folder: where it was read.
        curves: rows of metrics.csv, of which empty cells are left out.
    """

    row: Run
    reports: Sequence[Json]
    config: Json | None
    info: Json | None
    studies: Sequence[Study] = ()
    folder: Path = Path()
    source: Curves | Sequence[Mapping[str, str]] = ()

    @property
    def curves(self) -> Sequence[Mapping[str, str]]:
        return self.source.of(self.row.sha256) if isinstance(self.source, Curves) else self.source


@dataclass(frozen=True)
class Published:
    """All that a folder holds.

    Attributes:
        entries: in the order of their names.
        labels: uint8 [N] of each set of faces, by its checksum's first `SHORT` digits.
    """

    entries: Sequence[Entry] = ()
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)


def is_published(folder: Path) -> bool:
    """Whether a folder is one that publish wrote."""
    files.settle(folder)
    return (folder / RUNS).is_file()


def named(pattern: str) -> list[Entry] | None:
    """What a path or a glob names, as if each entry were a folder: results (all), results/NAME, results/NAM*.

    Returns:
        None where the pattern names nothing in a folder that publish wrote.

    Raises:
        FerlabError: as `read`; nothing in the folder has that name.
    """
    path = Path(pattern)
    folder, names = (path, "*") if is_published(path) else (path.parent, path.name)
    if not is_published(folder):
        return None
    entries = read(folder).entries
    if found := [entry for entry in entries if fnmatchcase(entry.row.name, names)]:
        return found
    there = ", ".join(entry.row.name for entry in entries) or "none"
    raise FerlabError(f"runs={pattern!r} matches no published run; there are in {folder}: {there}")


def read(folder: Path) -> Published:
    """What was published into a folder; nothing where nothing was.

    Raises:
        FerlabError: a file is missing or damaged, or does not belong to the others.
    """
    if not is_published(folder):
        return Published()
    # A pattern after the other reads the same files; whole new ones have another inode.
    stamps = [(folder / name).stat() for name in (RUNS, MEASUREMENTS, PREDICTED) if (folder / name).is_file()]
    try:
        return _read(folder, tuple((stamp.st_ino, stamp.st_mtime_ns, stamp.st_size) for stamp in stamps))
    except (KeyError, IndexError) as error:
        raise FerlabError(
            f"the files in {folder} do not belong together: one of them lacks {error}; restore all of them from git"
        ) from error


@lru_cache(maxsize=2)
def _read(folder: Path, _stamps: tuple[tuple[int, int, int], ...]) -> Published:
    documents = {line["sha256"]: line for line in _lines(folder / CONFIGS)}
    runs = published_rows.read(folder / RUNS, Run)
    conditions = _json(folder / CONDITIONS)
    arrays = _arrays(folder / PREDICTED)
    reports: dict[str, list[Json]] = {run.sha256: [] for run in runs}
    taken: dict[str, int] = {}
    for number, row in enumerate(published_rows.read(folder / MEASUREMENTS, Measurement)):
        faces = row.faces_sha256[:SHORT]
        place = taken.setdefault(faces, 0)
        taken[faces] += 1
        if row.sha256 in reports:  # else its row was taken out of runs.csv by hand
            measured = _measured(row, arrays, place, number, folder)
            reports[row.sha256].append(_provenance(row, documents, conditions, folder) | measured)
    studies: dict[str, list[Study]] = {}
    for line in _lines(folder / STUDIES):
        studies.setdefault(line["sha256"], []).append(Study(line["kind"], line["place"], line["content"]))
    curves, entries = Curves(folder / CURVES), []
    for run in runs:
        own = documents.get(run.sha256, {})
        of = (reports[run.sha256], own.get("config"), own.get("run"), studies.get(run.sha256, []))
        entries.append(Entry(run, *of, folder, curves))
    labels = {name.removeprefix("labels_"): array for name, array in arrays.items() if name.startswith("labels_")}
    return Published(entries, labels)


def _provenance(row: Measurement, documents: Mapping[str, Json], conditions: Json, folder: Path) -> Json:
    """What a report says besides what was measured."""
    own = documents[row.sha256]
    report: Json = dict(own["facts"])
    if "config" in own:
        report |= {"config": own["config"], "run": own["run"]}
    if "members" in own:
        members = [documents[sha256] for sha256 in own["members"]]
        report |= {key: {one["name"]: one[key] for one in members} for key in ("config", "run")}
    given = {"tta_space": row.space, "looks_before": row.looks, "looks_before_at_data": row.looks_at_data}
    report |= {key: value for key, value in given.items() if value is not None}
    return report | {
        "split": row.split,
        "tta": row.views,
        "views": conditions["views"][row.views],
        "faces_sha256": row.faces_sha256,
        "evaluated_commit": row.evaluated_commit,
        "evaluated_at": row.evaluated_at,
        "evaluated_on": row.evaluated_on,
        "environment": conditions["environments"][row.environment],
        "folder": folder / row.name / f"{row.split}-{row.views}",
        **json.loads(row.more or "{}"),
    }


def _measured(row: Measurement, arrays: Mapping[str, np.ndarray], place: int, number: int, folder: Path) -> Json:
    """What was measured, and what follows from the predictions."""
    faces = row.faces_sha256[:SHORT]
    labels, predicted = arrays[f"labels_{faces}"], arrays[f"predicted_{faces}"][place]
    confusion = np.bincount(labels.astype(int) * K + predicted, minlength=K * K).reshape(K, K)
    if (len(labels), int(confusion.trace())) != (row.n, row.correct):
        raise FerlabError(
            f"{folder / MEASUREMENTS} says {row.correct} of {row.n} for {row.name}, {row.split}-{row.views}, and "
            f"{PREDICTED} {confusion.trace()} of {len(labels)}; restore both from git, or publish the run anew"
        )
    alone = {"n": row.without_twins_n, "correct": row.without_twins_correct, "accuracy": row.without_twins_accuracy}
    return {
        "n": row.n,
        "correct": row.correct,
        "accuracy": row.accuracy,
        "interval95": _interval(row.low, row.high),
        "without_train_twins": alone | {"interval95": _interval(row.without_twins_low, row.without_twins_high)},
        **by_class(confusion),
        "ece": row.ece,
        "nll": row.nll,
        "brier": row.brier,
        "reliability": _reliability(*(arrays[f"reliability_{key}"][number] for key in ("n", "correct", "confidence"))),
        "predicted": predicted,
        "labels": labels,
    }


def _interval(low: float | None, high: float | None) -> list[float] | None:
    return None if low is None or high is None else [low, high]


def _reliability(n: np.ndarray, correct: np.ndarray, confidence: np.ndarray) -> list[Json]:
    edges = np.linspace(0.0, 1.0, len(n) + 1)[1:].tolist()
    bins = zip(edges, n.tolist(), correct.tolist(), confidence.tolist(), strict=True)
    return [
        {"up_to": edge, "n": k, "confidence": sure if k else None, "accuracy": right / k if k else None}
        for edge, k, right, sure in bins
    ]


def _arrays(file: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(file, allow_pickle=False) as kept:
            return {name: kept[name] for name in kept.files}
    except Exception as error:  # a damaged zip raises zip, value, key, OS and EOF errors
        raise FerlabError(f"cannot read {file} ({error!r}); restore it from git, or publish the runs anew") from None


def _lines(file: Path) -> list[Json]:
    return [_json_of(line, file) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def _json(file: Path) -> Json:
    return _json_of(file.read_text(encoding="utf-8") if file.is_file() else "", file)


def _json_of(text: str, file: Path) -> Json:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise FerlabError(f"cannot read {file} ({error}); restore it from git, or publish the runs anew") from None
    return content
