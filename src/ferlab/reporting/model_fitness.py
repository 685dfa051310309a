"""A record -> what its model is good for and for whom it fails: recall by data set; tilt, size and light of faces.

The words follow from the intervals of the numbers, by rules that stand in the text.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferlab import files
from ferlab.expressions import EXPRESSIONS
from ferlab.metrics.scores import FREQUENT
from ferlab.metrics.statistics import interval95
from ferlab.pages.words import ends, percent
from ferlab.reporting import markdown, model_limits
from ferlab.reporting.markdown import Report
from ferlab.reporting.records import Record
from ferlab.runs import shapes
from ferlab.studies.robustness_record import RobustnessRecord

TITLE = "What this model is good for, and for whom it fails"
MEASURE = "python -m benchmarks.faces_in_scenes --raw data/fer2013 --models NAME --out FILE"
_GOOD, _BAD = 0.7, 0.5  # recall above and below which a whole interval must lie
_NEUTRAL = EXPRESSIONS.index("neutral")
_IN_CUT_OUT_FACES = ("dim_light", "low_resolution", "tilt", "mask", "glasses")


@dataclass(frozen=True)
class Scenes:
    """Accuracies that benchmarks/faces_in_scenes.py wrote: checksum of each model's file, rows, labels of the faces."""

    files: dict[str, str]
    rows: list[dict[str, Any]]
    labels: str


def scenes(file: str | None) -> list[Scenes]:
    """The accuracies in a record of faces in scenes, of each label system; none where it holds none or is not there.

    Raises:
        FerlabError: it is damaged.
    """
    if file is None or not Path(file).is_file():
        return []
    mend = f"write it with {MEASURE}"
    found = files.read_json(Path(file), mend)
    return [shapes.read(Scenes, part, file, mend) for name, part in found.items() if name.startswith("accuracy_")]


def fitness(record: Record, in_scenes: Sequence[Scenes]) -> list[str]:
    """The section's table and list; what is not known is called not measured."""
    sets = _sets(record)
    table = [_INTRO, _recalls(sets)] if sets else []
    lines = [*_verdicts(sets), *map(_of_neutral, sets), *_cut_out(record), *_pictures(record, in_scenes)]
    if not sets:
        lines.insert(0, markdown.unmeasured("Recall by expression", f"python -m ferlab.evaluate {record.runs}"))
    lines.append(model_limits.groups(record))
    return [*table, markdown.bullets([line for line in lines if line])]


_INTRO = "Recall in percent (95 % interval, Wilson) of the faces of each expression, each data set by its own labels."


def _sets(record: Record) -> list[Report]:
    """A report of each data set: with the shares it learned, test, a single view before others; its own data first."""
    best: dict[str, Report] = {}
    for report in record.whole_reports() + record.whole_elsewhere():
        known = best.setdefault(report["data"], report)
        if _rank(report) > _rank(known):
            best[report["data"]] = report
    return list(best.values())


def _rank(report: Report) -> tuple[bool, bool, bool]:
    return report.get("priors") is None, report["split"] == "test", report["tta"] == "none"


def _where(report: Report) -> str:
    return f"{model_limits.title(report)}" + ("" if report["tta"] == "none" else f", {report['tta']}")


def _recalls(sets: Sequence[Report]) -> str:
    matrices = [np.asarray(report["confusion_matrix"]) for report in sets]
    rows = [
        [
            name,
            *(f"{markdown.share(int(m[k, k]), n)} of {n}" if (n := int(m[k].sum())) else "no face" for m in matrices),
        ]
        for k, name in enumerate(EXPRESSIONS)
    ]
    return markdown.markdown(["expression", *map(_where, sets)], rows)


def _verdicts(sets: Sequence[Report]) -> list[str]:
    """Good for, fails for, between and not known, of those expressions that have enough faces in a data set."""
    if not sets:
        return []
    good: list[str] = []
    between: list[str] = []
    unknown, bad = [], []
    for k, name in enumerate(EXPRESSIONS):
        known = [(report, m) for report in sets if (m := np.asarray(report["confusion_matrix"]))[k].sum() >= FREQUENT]
        ranges = [interval95(int(m[k, k]), int(m[k].sum())) or [0, 1] for _, m in known]
        failed = [_miss(report, m, k) for (report, m), (_, high) in zip(known, ranges, strict=True) if high < _BAD]
        if failed:
            bad.append(f"{name} ({'; '.join(failed)})")
        elif not known:
            unknown.append(name)
        else:
            (good if min(low for low, _ in ranges) >= _GOOD else between).append(name)
    rule = f"each data set with {FREQUENT} of its faces or more"
    return [
        f"Good for: {_listed(good)}. The whole interval lies above {percent(_GOOD, 0)} %, in {rule}.",
        f"Fails for: {_listed(bad)}. There the whole interval lies below {percent(_BAD, 0)} %.",
        f"Between the two: {', '.join(between)}." if between else "",
        f"Too few faces to tell: {', '.join(unknown)}." if unknown else "",
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "no expression"


def _miss(report: Report, matrix: np.ndarray, k: int) -> str:
    hits, n = int(matrix[k, k]), int(matrix[k].sum())
    return f"{_where(report)}: {percent(hits / n)} % of {n}, most often taken for {model_limits.taken_for(matrix, k)}"


def _of_neutral(report: Report) -> str:
    """What a calm face is called, of which users of such models complain most."""
    row = np.asarray(report["confusion_matrix"])[_NEUTRAL]
    n = int(row.sum())
    if n < FREQUENT:
        return ""
    others = [k for k in np.argsort(-row, kind="stable") if k != _NEUTRAL and row[k]][:3]
    named = ", ".join(f"{percent(row[k] / n)} % {EXPRESSIONS[k]}" for k in others) or "nothing else"
    return f"Neutral faces ({_where(report)}): {percent(row[_NEUTRAL] / n)} % of {n} are called so; {named}."


def _cut_out(record: Record) -> list[str]:
    """What bad pictures of cut-out faces cost, by the first study that has them."""
    found = next((found for _, found in record.found(RobustnessRecord) if found.corruptions), None)
    if not found:
        return []
    return [
        f"{name.replace('_', ' ').capitalize()} (cut-out faces, strengths 1 to 5): {percent(found.clean.accuracy)} % "
        f"become {', '.join(percent(c.accuracy) for _, c in sorted(by.by_strength.items()))}."
        for name in _IN_CUT_OUT_FACES
        if (by := found.corruptions.get(name))
    ]


_CONDITIONS: dict[str, tuple[str, str, Callable[[float], str]]] = {
    "tilt_deg": ("Tilt", "degrees", lambda value: f"{value:g}"),
    "side_px": ("Size", "pixels a side", lambda value: f"{value:g}"),
    "light": ("Light", "percent of it left", lambda value: f"{100 * value:g}"),
}


def _pictures(record: Record, in_scenes: Sequence[Scenes]) -> list[str]:
    """Accuracy of faces that are first found in a picture, by one condition at a time."""
    named = [(each, name) for each in in_scenes for name, sha in each.files.items() if sha in record.weights_sha256]
    if not named and model_limits.drawn(record):
        return []  # what measures them takes FER2013's faces
    if not named:
        return [markdown.unmeasured("Tilt, size and light of faces in pictures, of an exported model", MEASURE)]
    return [line for each, name in named for line in _conditions(each, name)]


def _conditions(of: Scenes, name: str) -> list[str]:
    usual = of.rows[0]
    lines = []
    for key, (title, unit, shown) in _CONDITIONS.items():
        same = [r for r in of.rows if all(r[other] == usual[other] for other in _CONDITIONS if other != key)]
        parts = [f"{shown(r[key])}: {_right(r, name)}" for r in sorted(same, key=lambda r: abs(r[key] - usual[key]))]
        lines.append(
            f"{title} ({unit}; {usual['faces']} faces of val with {of.labels}'s labels, found in pictures): "
            f"{', '.join(parts)}. One that is not found is wrong."
        )
    return lines


def _right(row: Mapping[str, Any], name: str) -> str:
    right, n = row[name]["right_levelled"], row["faces"]
    return f"{percent(right / n)} % ({ends(interval95(right, n))}; {percent(row['found'] / n)} % found)"
