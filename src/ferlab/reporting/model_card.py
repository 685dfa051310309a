"""A record -> its model card in Markdown, in the sections of Mitchell et al. 2019 (arXiv:1810.03993).

Every number comes from a file that a command wrote; what no file says is called not measured, with the command that
measures it. What follows from a number is stated only where the number is there. One section is our own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferlab.expressions import EXPRESSIONS
from ferlab.pages.words import listed, percent
from ferlab.reporting import markdown, model_fitness, model_limits, reports
from ferlab.reporting.records import Record
from ferlab.studies.kinds import KINDS
from ferlab.studies.robustness_record import RobustnessRecord


def render(
    record: Record,
    looks: Sequence[Mapping[str, Any]] | None,
    split: str | None,
    tta: str | None,
    scenes: Sequence[model_fitness.Scenes] = (),
) -> str:
    """The card as Markdown.

    Args:
        looks: entries of the ledger, None where there is no ledger.
        split, tta: of what is reported by expression; None: test before val, the larger set of views.
        scenes: accuracies by tilt, size and light, where they were measured.

    Raises:
        FerlabError: no report is of what was asked for, or one lacks what belongs in it.
    """
    report = record.report(*reports.detail(record.reports, split, tta)) if record.reports else None
    sections = {
        "Model details": _details(record),
        "Intended use": _USE,
        model_fitness.TITLE: model_fitness.fitness(record, scenes),
        "Factors": _factors(record),
        "Metrics": _METRICS,
        "Evaluation data": _evaluation_data(record),
        "Training data": _training_data(record),
        "Quantitative analyses": [_overall(record), *_by_expression(record, report), *_studies(record)],
        "Ethical considerations and limits": model_limits.limits(record, report, looks),
        "Caveats and recommendations": model_limits.recommendations(record),
    }
    parts = [f"# Model card: {markdown.safe(record.name)}", _HEAD]
    for title, content in sections.items():
        parts += [f"## {title}", *([content] if isinstance(content, str) else content)]
    return "\n\n".join(part for part in parts if part) + "\n"


_HEAD = (
    "Written by `python -m ferlab.describe` from what the commands measured, in the sections of Mitchell et al. 2019 "
    "(arXiv:1810.03993) and one more. Ratios are in percent; brackets hold 95 % intervals (Wilson) over the choice of "
    "faces."
)
_USE = [
    markdown.bullets(
        [
            "Intended: to tell which of seven expression labels annotators would give a cropped, grey 48x48 face; to "
            "compare nets and recipes on one benchmark; demonstrations where a wrong label harms nobody.",
            "Not intended: to infer what a person feels, intends or is like. An expression is no reliable sign of an "
            "emotion (Barrett et al. 2019, doi:10.1177/1529100619832930).",
            "Not intended: to decide about people. In the EU, inferring emotions at work and in education is "
            "prohibited but for medical or safety reasons (Regulation (EU) 2024/1689, article 5(1)(f)).",
        ]
    )
]
_METRICS = markdown.bullets(
    [
        "Accuracy is the share of faces whose most probable expression is the label; macro recall is the mean of the "
        "expressions' recalls, so that rare ones count as much as frequent ones.",
        "Without training twins: without the faces whose very pixels also stand in the training split.",
        "Calibration error: expected calibration error in 15 equal bins (Guo et al. 2017, arXiv:1706.04599).",
        "Intervals cover the choice of faces, not that of the seed: several runs are compared by "
        "`python -m ferlab.compare`.",
    ]
)


def _details(record: Record) -> str:
    info, config = record.info, record.run.config if record.run else {}
    first = record.reports[0] if record.reports else {}
    lines = [f"Net: {info.get('model')}" + (f", {n:,} parameters" if (n := info.get("parameters")) else "")]
    if entry := config.get("model", {}).get("input"):
        shape = "x".join(str(entry.get(key)) for key in ("channels", "size", "size"))
        lines.append(f"Input: a grey face of 48x48 pixels; the net sees it as {shape}")
    lines.append(f"Output: probabilities of {', '.join(EXPRESSIONS)}")
    known = [
        ("Status", info.get("status")),
        ("Epochs", info.get("epochs")),
        ("Best epoch, chosen by accuracy on val", info.get("best_epoch")),
        ("Seed", info.get("seed")),
        ("Weights at the start", info.get("weights")),
        ("Class weights", info.get("class_weights")),
        ("Precision", info.get("precision")),
        ("Seconds of training", info.get("seconds")),
        ("Members", first.get("members") if not record.run else None),
        ("Distilled from", (info.get("teacher") or {}).get("members")),
        ("Commit", info.get("commit")),
        ("Measured", first.get("evaluated_at")),
        ("Checksums of the weights, sha256", ", ".join(f"`{sha}`" for sha in sorted(record.weights_sha256)) or None),
        ("Environment", ", ".join(f"{k} {v}" for k, v in info.get("environment", {}).items()) or None),
    ]
    lines += [f"{what}: {listed(value)}" for what, value in known if value is not None]
    lines.append("Licence: the code is under the MIT licence; the data that the weights come from have their own terms")
    return markdown.bullets(lines)


def _factors(record: Record) -> str:
    lines = [
        model_limits.who(record),
        "Expression: below, each by itself.",
    ]
    robustness, command = record.found(RobustnessRecord), record.command(KINDS["robustness"])
    conditions = "Light, blur, noise, obstacles"
    corrupted = any(found.corruptions for _, found in robustness)
    lines.append(f"{conditions}: below." if corrupted else markdown.unmeasured(conditions, command))
    other = any(study.elsewhere for study, _ in robustness)
    command += " data=ck_plus corruptions=[]"
    lines.append("Other data sets: below." if other else markdown.unmeasured("Other data sets", command))
    return markdown.bullets(lines)


def _evaluation_data(record: Record) -> list[str]:
    if not record.reports:
        return [markdown.unmeasured("Accuracy on val", f"python -m ferlab.evaluate {record.runs}")]
    head = ["split", "faces", "of them also in training", *EXPRESSIONS, "sha256 of pixels and labels"]
    rows = {}
    for report in record.whole_reports():
        twins = report["n"] - report["without_train_twins"]["n"]
        support = [str(report["support"][name]) for name in EXPRESSIONS]
        sha = f"`{report['faces_sha256'][:16]}`" if "faces_sha256" in report else "–"
        rows[report["split"]] = [model_limits.title(report), str(report["n"]), str(twins), *support, sha]
    text = "On val the epoch, the recipe and the views are chosen. The ledger lists each evaluation on test."
    return [markdown.markdown(head, list(rows.values())), text]


def _training_data(record: Record) -> list[str]:
    info, data = record.info, markdown.safe(str(record.info.get("data")))
    counts = info.get("class_counts")
    parts = [f"{data}, training split; its data card: `python -m ferlab.describe data={data}`."]
    if counts:
        total = sum(counts.values())
        parts.append(
            markdown.markdown(["faces", *counts], [[f"{total:,.0f}", *(f"{n:,.0f}" for n in counts.values())]])
        )
    elif record.run:
        parts.append("Faces by expression: not measured; run.json of this run does not say.")
    augmented = record.run.config.get("augment", {}).get("policy", ()) if record.run else ()
    if augmented:
        names = (str(step.get("_target_")).rsplit(".", 1)[-1] for step in augmented)
        parts.append(markdown.safe(f"Augmented by {', '.join(names)}."))
    return parts


def _overall(record: Record) -> str:
    rows = [
        [
            model_limits.title(r),
            markdown.view_title(r["tta"]),
            markdown.with_interval(r["accuracy"], r["interval95"]),
            markdown.with_interval(r["without_train_twins"]["accuracy"], r["without_train_twins"]["interval95"]),
            *map(percent, (r["macro_recall"], r["macro_f1"], r["ece"])),
            f"{r['nll']:.3f}",
            f"{r['brier']:.3f}",
        ]
        for r in record.whole_reports()
    ]
    head = ["split", "views", "accuracy", "without training twins", "macro recall", "macro F1", "calibration error"]
    return markdown.markdown([*head, "log-loss", "Brier"], rows) if rows else ""


def _by_expression(record: Record, report: Mapping[str, Any] | None) -> list[str]:
    if report is None:
        return []
    matrix = np.asarray(report["confusion_matrix"])
    rows = []
    for k, name in enumerate(EXPRESSIONS):
        hits, support, predicted = (int(n) for n in (matrix[k, k], matrix[k].sum(), matrix[:, k].sum()))
        row = [
            name,
            str(support),
            markdown.share(hits, support),
            markdown.share(hits, predicted) if predicted else "never predicted",
        ]
        rows.append([*row, percent(report["f1"][name]), model_limits.taken_for(matrix, k)])
    head = ["expression", "faces", "recall", "precision", "F1", "most often taken for"]
    where = f"{model_limits.title(report)}, {markdown.view_title(report['tta'])}"
    return [f"### By expression: {markdown.safe(where)}", markdown.markdown(head, rows)]


def _studies(record: Record) -> list[str]:
    if record.exported:
        return [
            "### Studies\n\nThey are of runs, not of files: see the card of "
            f"{markdown.safe(', '.join(record.reports[0]['members']))}."
        ]
    parts = []
    for kind in KINDS.values():
        lines = []
        for study in record.of_kind(kind.name):
            first, *others = kind.page.card(study.record)
            lines += [f"{study.title}: {first}", *others]
        unmeasured = markdown.unmeasured(kind.title, record.command(kind)) + "."
        parts += [f"### {kind.title}", markdown.bullets(lines) if lines else unmeasured]
    return parts
