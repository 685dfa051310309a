"""What a model card warns of follows from what was measured."""

import json

import numpy as np

from ferlab.expressions import EXPRESSIONS
from tests.reporting.cards import (
    card,  # noqa: F401
    with_interval,
)
from tests.reporting.test_summary_page import STUDENT, shown
from tests.unpacked import RESULTS, report_of, study_of


def test_limits_follow_from_what_was_measured(card):
    limits = card.split("## Ethical considerations and limits")[1]
    report = report_of(STUDENT)
    matrix, n = np.array(report["confusion_matrix"]), report["n"]
    worst = min(report["recall"], key=report["recall"].get)
    k, d = EXPRESSIONS.index(worst), EXPRESSIONS.index("disgust")
    assert f"{worst} is found in {with_interval(matrix[k, k], matrix[k].sum())} of {matrix[k].sum()} faces" in limits
    missed, disgust = matrix[d].sum() - matrix[d, d], matrix[d].sum()
    assert f"missed in {missed} of {disgust} faces, {with_interval(missed, disgust)}" in limits
    groups = study_of(STUDENT, "analysis")["ferplus"]
    disputed = groups["disputes"]["n"]
    assert f"{disputed} of 3589 faces of fer2013, PublicTest, {with_interval(disputed, 3589)}" in limits
    drops = {name: c["drop"] for name, c in study_of(STUDENT, "robustness")["corruptions"].items()}
    assert f"{max(drops, key=drops.get)} costs {shown(max(drops.values()))} points" in limits
    surest = [b for b in report["reliability"] if b["n"]][-1]
    assert (
        f"{surest['n']} surest answers (mean confidence {shown(surest['confidence'])}) {shown(surest['accuracy'])}"
        in limits
    )
    lines = [json.loads(line) for line in (RESULTS / "ledger.jsonl").read_text().splitlines()]
    looks = sum(report["weights_sha256"][0] in look["weights_sha256"] for look in lines)
    assert f"Looks at test splits by these weights, alone or in an ensemble: {looks}." in limits
    assert f"{n - report['without_train_twins']['n']} of the {n} faces also stand in training" in limits
