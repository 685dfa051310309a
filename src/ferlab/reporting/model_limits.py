"""What a record's numbers say against trusting it: the last two sections of a model card."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferlab.data.faces import split_title
from ferlab.expressions import EXPRESSIONS
from ferlab.pages.words import percent
from ferlab.reporting import markdown
from ferlab.reporting.records import Record
from ferlab.studies.calibration_record import CalibrationRecord
from ferlab.studies.kinds import KINDS
from ferlab.studies.mistakes_record import MistakesRecord
from ferlab.studies.robustness_record import RobustnessRecord


def limits(record: Record, report: Mapping[str, Any] | None, looks: Sequence[Mapping[str, Any]] | None) -> str:
    """What the numbers of a record say against trusting it; what is not known is called not measured."""
    lines = []
    if report:
        lines += _of_report(report)
    else:
        lines.append(markdown.unmeasured("Which expressions are missed", f"python -m ferlab.evaluate {record.runs}"))
    lines.append(_bad_pictures(record))
    lines += _label_noise(record)
    if looks is None:
        lines.append("Looks at the test split: not known; there was no ledger, type ledger=FILE")
    else:
        n = sum(bool(record.weights_sha256.intersection(look["weights_sha256"])) for look in looks)
        lines.append(f"Looks at test splits by these weights, alone or in an ensemble: {n}.")
    return markdown.bullets(lines)


def _bad_pictures(record: Record) -> str:
    found = next((found for _, found in record.found(RobustnessRecord) if found.corruptions), None)
    if not found:
        return markdown.unmeasured("What a bad picture costs", record.command(KINDS["robustness"]))
    worst, c = max(found.corruptions.items(), key=lambda item: item[1].drop)
    return (
        f"It depends on the picture: {worst.replace('_', ' ')} costs {percent(c.drop)} points on average and "
        f"leaves {percent(c.mean)} of {percent(found.clean.accuracy)}."
    )


def _of_report(report: Mapping[str, Any]) -> list[str]:
    """What follows from a report's own numbers."""
    matrix, where = np.asarray(report["confusion_matrix"]), f"{title(report)}, {markdown.view_title(report['tta'])}"
    known = {name: r for name, r in report["recall"].items() if r is not None}
    worst, best = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    k, d = EXPRESSIONS.index(worst), EXPRESSIONS.index("disgust")
    n = int(matrix[k].sum())
    lines = [
        f"It serves expressions unlike ({where}): {worst} is found in "
        f"{markdown.share(int(matrix[k, k]), n)} of {n} faces, {best} in {percent(known[best])}."
    ]
    if disgust := int(matrix[d].sum()):
        missed = disgust - int(matrix[d, d])
        lines.append(
            f"Disgust is missed in {missed} of {disgust} faces, {markdown.share(missed, disgust)}; most often taken "
            f"for {taken_for(matrix, d)}."
        )
    else:
        lines.append("Disgust: not measured, the split has no such face.")
    surest = next((b for b in reversed(report["reliability"]) if b["n"]), None)
    if surest:
        lines.append(
            f"Being sure is not being right: of its {surest['n']} surest answers (mean confidence "
            f"{percent(surest['confidence'])}) {percent(surest['accuracy'])} are right."
        )
    twins = report["n"] - report["without_train_twins"]["n"]
    alone = markdown.with_interval(
        report["without_train_twins"]["accuracy"], report["without_train_twins"]["interval95"]
    )
    lines.append(f"{twins} of the {report['n']} faces also stand in training; without them {alone} are right.")
    return lines


def _label_noise(record: Record) -> list[str]:
    lines = []
    for study, found in record.found(MistakesRecord):
        if not found.ferplus:
            continue
        n, disputes = sum(of.n for of in found.ferplus.values()), found.ferplus["disputes"].n
        lines.append(
            f"The labels are disputed: FER+'s majority names another expression for {disputes} of {n} faces of "
            f"{title(study.content)}, {markdown.share(disputes, n)}; {found.disputed_errors} of the {found.errors} "
            "errors are among them. Accuracy against these labels is not agreement with people."
        )
    if lines or drawn(record):
        return lines or ["The labels are what was drawn: no face is ambiguous as photographs are."]
    trust = "How far the labels can be trusted"
    trust += " (with FER+'s votes)" if _data(record) == "FER2013" else ""
    return [markdown.unmeasured(trust, record.command(KINDS["analysis"]))]


def who(record: Record) -> str:
    """Who the faces are of, as far as the data say."""
    if drawn(record):
        return "Who is shown: nobody, the faces are drawn. Nothing follows for faces of people."
    return (
        f"Who is shown (age, gender, skin, culture): not measured, since {_data(record)} does not say who is shown; no "
        "command measures it. A difference between groups can be neither stated nor excluded."
    )


def groups(record: Record) -> str:
    """Whether it serves groups of people alike, as far as the data say; empty of drawn faces."""
    if drawn(record):
        return ""
    return f"Whether it serves groups of people alike: not measured, and not to be measured on {_data(record)}."


def _data(record: Record) -> str:
    """What a reader calls the data of a record."""
    names = str(record.info.get("data")).split(", ")
    return ", ".join("FER2013" if name.split("+")[0] == "fer2013" else name for name in dict.fromkeys(names))


def drawn(record: Record) -> bool:
    """Whether its faces are drawn, all of them."""
    sources = record.run.config.get("data", {}).get("sources", ()) if record.run else ()
    return bool(sources) and all(source.get("layout") == "drawn" for source in sources)


def recommendations(record: Record) -> str:
    """What to do about it."""
    lines = [
        f"Measure on faces like yours before use: `python -m ferlab.robustness {record.runs} data=class_folders "
        "corruptions=[]`."
    ]
    calibrated = record.found(CalibrationRecord)
    for study, found in calibrated:
        threshold = found.abstention.threshold
        if threshold is not None and study.content["split"] == "val":
            lines.append(
                f"Let it give a label from a confidence of {threshold:.3f} on, at temperature {found.temperature:.3f}, "
                "and `uncertain` below."
            )
    if not calibrated:
        command = record.command(KINDS["calibration"])
        lines.append(markdown.unmeasured("From which confidence on it should give a label", command))
    lines.append("Show the probabilities, or the label with its uncertainty, rather than the label alone.")
    return markdown.bullets(lines)


def title(told: Mapping[str, Any]) -> str:
    """What a reader calls the data and the split of a report or a study."""
    return f"{told['data']}, {split_title(told['data'], told['split'])}"


def taken_for(matrix: np.ndarray, k: int) -> str:
    """The expression that faces of class k are most often taken for, by a confusion matrix [7,7], and how many."""
    wrong = matrix[k].copy()
    wrong[k] = 0
    return f"{EXPRESSIONS[int(wrong.argmax())]} ({wrong.max()})" if wrong.any() else "–"
