"""Entries -> the files of results/, whole or not at all; `published` says what is in them and reads them again."""

import csv
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.reporting import published_rows
from ferlab.reporting.published import (
    CONDITIONS,
    CONFIGS,
    CURVES,
    MEASUREMENTS,
    PREDICTED,
    RUNS,
    SHORT,
    STUDIES,
    Entry,
    Json,
)
from ferlab.reporting.published_rows import Measurement, Run

# Keys of a report that are columns of measurements.csv, arrays of predicted.npz, or computed from these.
_COLUMNS = (
    *("split", "tta", "tta_space", "n", "correct", "accuracy", "interval95", "without_train_twins", "ece", "nll"),
    *("brier", "looks_before", "looks_before_at_data", "faces_sha256", "evaluated_commit", "evaluated_at"),
    *("evaluated_on", "environment", "views", "predicted", "labels", "reliability", "macro_recall", "macro_f1"),
    *("recall", "recall_interval95", "frequent_recall", "precision", "f1", "support"),
    *("disgust_misclassification", "confusion_matrix"),
)
_ELSEWHERE = (*_COLUMNS, "config", "run", "folder")


def identity(report: Mapping[str, Any]) -> str:
    """The checksum by which what was measured is known, as `published.Run.sha256`."""
    weights = report["weights_sha256"]
    if len(weights) == 1:
        return str(weights[0])
    return str(report.get("ensemble_sha256") or hashlib.sha256("\n".join(sorted(weights)).encode()).hexdigest())


def row_of(name: str, reports: Sequence[Json], info: Json | None, weights_file: str) -> Run:
    """The row of runs.csv of what has these reports, and this run.json if it is a run."""
    first = reports[0] if reports else info or {}
    of, words = info or {}, {key: _word(first.get(key)) for key in ("data", "class_weights", "seed", "commit")}
    return Run(
        name=name,
        sha256=identity(first) if reports else "",
        kind="export" if "export" in first else "run" if info else "ensemble",
        recipe=name.removesuffix(f"-{words['data']}-{words['class_weights']}-s{words['seed']}"),
        model=str(first.get("model")),
        **words,
        parameters=first.get("parameters"),
        epochs=of.get("epochs"),
        best_epoch=None if first.get("best_epoch") is None else _word(first["best_epoch"]),
        seconds=of.get("seconds"),
        device=of.get("environment", {}).get("device"),
        val_accuracy=of.get("val_accuracy"),
        weights_file=weights_file,
    )


def write(folder: Path, entries: Sequence[Entry], also: Mapping[str, bytes] | None = None) -> None:
    """Write these entries and nothing else into a folder; what is in its other files stays.

    Args:
        also: name -> content of further files, written together with these.

    Raises:
        FerlabError: two entries share a name or a checksum, or disagree about views or labels; the disk refuses.
    """
    entries = sorted(entries, key=lambda entry: entry.row.name)
    for key in ("name", "sha256"):
        if twice := _twice([getattr(entry.row, key) for entry in entries]):
            raise FerlabError(f"two runs have the {key} {twice}; publish only one of them")
    reports = [(entry, report) for entry in entries for report in entry.reports]
    facts = {entry.row.sha256: _facts(entry.reports) for entry in entries}
    measured = [_measurement(entry.row, report, facts[entry.row.sha256]) for entry, report in reports]
    contents = {
        RUNS: published_rows.text([entry.row for entry in entries], Run).encode(),
        MEASUREMENTS: published_rows.text(measured, Measurement).encode(),
        PREDICTED: _predicted([report for _, report in reports]),
        CONFIGS: _jsonl(_documents(entries, facts)),
        CONDITIONS: json.dumps(_conditions([report for _, report in reports]), indent=1).encode() + b"\n",
        CURVES: _curves(entries),
        STUDIES: _jsonl(
            {"sha256": entry.row.sha256, "name": entry.row.name, **vars(study)}
            for entry in entries
            for study in entry.studies
        ),
    }
    files.write_together(folder, {**contents, **(also or {})})


def _facts(reports: Sequence[Json]) -> Json:
    """What all reports of one thing say alike, besides what was measured."""
    first, *others = reports or [{}]
    return {
        key: value
        for key, value in first.items()
        if key not in _ELSEWHERE and all(key in other and other[key] == value for other in others)
    }


def _measurement(run: Run, report: Json, facts: Json) -> Measurement:
    alone = report["without_train_twins"]
    low, high = report["interval95"] or (None, None)
    alone_low, alone_high = alone["interval95"] or (None, None)
    more = {key: value for key, value in report.items() if key not in _ELSEWHERE and key not in facts}
    return Measurement(
        sha256=run.sha256,
        name=run.name,
        split=report["split"],
        views=report["tta"],
        **{key: report[key] for key in ("n", "correct", "accuracy")},
        low=low,
        high=high,
        **{f"without_twins_{key}": alone[key] for key in ("n", "correct", "accuracy")},
        without_twins_low=alone_low,
        without_twins_high=alone_high,
        **{key: report[key] for key in ("macro_recall", "macro_f1", "ece", "nll", "brier")},
        disgust_missed=report["disgust_misclassification"],
        looks=report.get("looks_before"),
        looks_at_data=report.get("looks_before_at_data"),
        space=report.get("tta_space"),
        **{key: report[key] for key in ("faces_sha256", "evaluated_commit", "evaluated_at", "evaluated_on")},
        environment=_key(report["environment"]),
        more=json.dumps(more) if more else None,
    )


def _documents(entries: Sequence[Entry], facts: Mapping[str, Json]) -> list[Json]:
    """A line an entry, then one for each member of an ensemble that is no entry itself."""
    lines: list[Json] = []
    others: dict[str, Json] = {}
    for entry in entries:
        sha256 = entry.row.sha256
        line: Json = {"sha256": sha256, "name": entry.row.name, "facts": facts[sha256]}
        if entry.config is not None:
            line |= {"config": entry.config, "run": entry.info}
        elif entry.reports and "config" in (first := entry.reports[0]):
            line["members"] = first["weights_sha256"]
            for name, member in zip(first["members"], first["weights_sha256"], strict=True):
                one = {"config": first["config"][name], "run": first["run"][name]}
                others[member] = {"sha256": member, "name": name, **one}
        lines.append(line)
    return [*lines, *(line for sha256, line in sorted(others.items()) if sha256 not in facts)]


def _conditions(reports: Sequence[Json]) -> Json:
    """What many measurements share: environments by their key, views by their title."""
    views: Json = {}
    for report in reports:
        if views.setdefault(report["tta"], report["views"]) != report["views"]:
            raise FerlabError(
                f"{report['name']}: {report['tta']} is another set of views than that of what was published; "
                "measure both by one version of ferlab, or publish into another folder, as into=FOLDER"
            )
    environments = {_key(report["environment"]): report["environment"] for report in reports}
    return {"environments": dict(sorted(environments.items())), "views": dict(sorted(views.items()))}


def _predicted(reports: Sequence[Json]) -> bytes:
    arrays: dict[str, Any] = {}
    for report in reports:
        faces = report["faces_sha256"][:SHORT]
        labels = arrays.setdefault(f"labels_{faces}", report["labels"].astype(np.uint8))
        if not np.array_equal(labels, report["labels"]):
            raise FerlabError(f"{report['name']} has other labels of the same faces ({faces}); measure it again")
        arrays.setdefault(f"predicted_{faces}", []).append(report["predicted"].astype(np.uint8))
    bins = [report["reliability"] for report in reports]
    found = {
        "n": np.array([[b["n"] for b in one] for one in bins], np.int32),
        "correct": np.array([[round(b["n"] * (b["accuracy"] or 0)) for b in one] for one in bins], np.int32),
        "confidence": np.array([[b["confidence"] or np.nan for b in one] for one in bins], np.float64),
    }
    arrays |= {f"reliability_{key}": array for key, array in found.items()}
    out = BytesIO()
    stacked: Json = {name: np.stack(a) if isinstance(a, list) else a for name, a in arrays.items()}
    np.savez_compressed(out, **stacked)
    return out.getvalue()


def _curves(entries: Sequence[Entry]) -> bytes:
    lines = [{"sha256": entry.row.sha256, **row} for entry in entries for row in entry.curves]
    columns = sorted({column for line in lines for column in line} - {"sha256"})
    out = StringIO()
    writer = csv.DictWriter(out, ["sha256", *columns], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return gzip.compress(out.getvalue().encode(), mtime=0)


def _jsonl(lines: Any) -> bytes:
    return "".join(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n" for line in lines).encode()


def _key(environment: Json) -> str:
    return hashlib.sha256(json.dumps(environment, sort_keys=True).encode()).hexdigest()[:8]


def _word(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list) else str(value)


def _twice(values: Sequence[str]) -> str | None:
    return next((value for i, value in enumerate(values) if value in values[:i]), None)
