"""A report -> its findings in sentences, which stand on top of its page. Every number in them is the report's."""

from collections.abc import Mapping
from typing import Any

from ferlab.pages.words import ends, percent, views

_NOTICED = 0.005  # of a difference between confidence and accuracy, which is smaller by chance alone


def of_report(report: Mapping[str, Any], single: Mapping[str, Any] | None = None) -> list[str]:
    """Sentences on accuracy, the best and the worst expression, views, and confidence.

    Args:
        report: content of report.json.
        single: the report of the same weights on the same faces in a single view, where there is one.
    """
    if not report["n"]:
        return ["There is no face in this split."]
    found = [
        f"Right for {percent(report['accuracy'])} % of {report['n']:,} faces "
        f"(95 % interval {ends(report.get('interval95'))})."
    ]
    return [*found, *_extremes(report), *(_gain(report, single) if single else ()), *_confidence(report)]


def _extremes(report: Mapping[str, Any]) -> list[str]:
    enough = report.get("frequent_recall", {}).get("classes", ())
    known = {name: recall for name, recall in report["recall"].items() if recall is not None}
    counted = {name: recall for name, recall in known.items() if name in enough} or known
    if len(counted) < 2:
        return []
    best, worst = (extreme(counted, key=counted.__getitem__) for extreme in (max, min))
    text = f"Best at {best} ({percent(counted[best])} %), worst at {worst} ({percent(counted[worst])} %)"
    few = [f"{name} ({report['support'][name]} faces)" for name in known if name not in counted]
    return [text + (f", not counting {' and '.join(few)}." if few else ".")]


def _gain(report: Mapping[str, Any], single: Mapping[str, Any]) -> list[str]:
    more = report["correct"] - single["correct"]
    named = views(report["tta"], len(report.get("views") or ()))
    points = f"{100 * abs(more) / report['n']:.1f} points {'better' if more > 0 else 'worse'}"
    compared = f"{points} with {named} than in a single view" if more else f"No better with {named} than in one"
    return [f"{compared}: {abs(more)} {'more' if more > 0 else 'fewer'} faces are right." if more else f"{compared}."]


def _confidence(report: Mapping[str, Any]) -> list[str]:
    bins = [b for b in report["reliability"] if b["n"]]
    faces = sum(b["n"] for b in bins)
    if not faces:
        return []
    over = sum(b["n"] * b["confidence"] for b in bins) / faces - report["accuracy"]
    if abs(over) < _NOTICED:
        return ["On average it is as confident as it is right."]
    return [f"On average its confidence is {percent(abs(over))} points too {'high' if over > 0 else 'low'}."]
