"""Records of several runs -> what their studies found, side by side, and what to type where one is missing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ferlab.pages.sections import section, table
from ferlab.pages.words import percent
from ferlab.reporting.records import STUDIES, Record


def compared(records: Sequence[Record]) -> list[dict[str, Any]]:
    """A section for each kind of study with a row a study, and the command for the runs that have none."""
    names = list(dict.fromkeys(n for r in records for s in r.of_kind("robustness") for n in s.told["corruptions"]))
    calibrated = [
        "temperature",
        "error before %",
        "error after %",
        "cross-fitted %",
        "answers from",
        "answered %",
        "right %",
    ]
    return [
        _rows("Calibration, compared", "calibration", calibrated, _calibrated, records),
        _rows(
            "Robustness, compared",
            "robustness",
            ["clean %", "mean corrupted %", *(name.replace("_", " ") for name in names)],
            lambda told: [
                percent(told["clean"]["accuracy"]),
                percent(told["mean_corruption_accuracy"]),
                *(percent(told["corruptions"].get(name, {}).get("mean")) for name in names),
            ],
            records,
        ),
        _rows(
            "FER+ as a second opinion, compared",
            "analysis",
            ["right where FER+ agrees %", "disputes %", "no majority %", "errors that FER+ disputes"],
            _opinion,
            records,
        ),
        _rows("Maps, compared", "explain", ["methods that pass both checks", "claims supported"], _explained, records),
    ]


def _rows(
    title: str, kind: str, head: Sequence[str], cells: Callable[[Mapping], list[str]], records: Sequence[Record]
) -> dict[str, Any]:
    rows = [[r.name, s.title, *cells(s.told)] for r in records for s in r.of_kind(kind)]
    without = [record for record in records if record.lacks(kind)]
    text = f"Not measured for {len(without)} of the {len(records)}; this measures what is missing:" if without else ""
    commands = [f"python -m ferlab.{STUDIES[kind]} {named(without)}"] if without else []
    return section(title, text, [table(["run", "on", *head], rows)] if rows else [], commands=commands)


def _calibrated(told: Mapping[str, Any]) -> list[str]:
    a, crossed = told["abstention"], told["cross_fitted"]
    errors = (told["before"]["ece"], told["after"]["ece"], crossed["ece"] if crossed else None)
    threshold = "–" if a["threshold"] is None else f"{a['threshold']:.3f}"
    return [
        f"{told['temperature']:.3f}",
        *(percent(e, 2) for e in errors),
        threshold,
        percent(a["coverage"]),
        percent(a["accuracy"]),
    ]


def _opinion(told: Mapping[str, Any]) -> list[str]:
    groups = told["ferplus"]
    if not groups:
        return ["–"] * 4
    right = [percent(groups[name]["accuracy"]) for name in ("agrees", "disputes", "no majority")]
    return [*right, f"{told['disputed_errors']} of {told['errors']}"]


def _explained(told: Mapping[str, Any]) -> list[str]:
    sound = [m for m in told["regions"] if told["checks"][m]["better_than_random"] and told["sanity"][m]["passes"]]
    verdicts = [by_method[m]["verdict"] for by_method in told["claims"].values() for m in sound]
    named = ", ".join(m.replace("_", " ") for m in sound) or "none"
    return [named, f"{verdicts.count('supported')} of {len(verdicts)}"]


def evaluate(records: Sequence[Record], split: str, tta: str) -> list[str]:
    """The command that reports on these; none where there are none."""
    own = [f"python -m ferlab.evaluate weights={r.name}.onnx split={split}" for r in records if r.exported]
    own += [f"python -m ferlab.evaluate {named([r])} split={split}" for r in records if r.frozen]  # with their views
    asked = [record for record in records if not (record.exported or record.frozen)]
    if not asked:
        return own
    each = " each=true" if len(asked) > 1 else ""
    return [f"python -m ferlab.evaluate {named(asked)} split={split} tta={tta}{each}", *own]


def named(records: Sequence[Record]) -> str:
    """The runs as they are typed."""
    names = ",".join(record.typed for record in records)
    return f"runs={names}" if len(records) == 1 else f"'runs=[{names}]'"
