"""What a model card warns of follows from what was measured."""

import json

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from ferlab.expressions import EXPRESSIONS
from ferlab.reporting import describing
from tests.reporting.test_summary_page import STUDENT, shown
from tests.test_conf import composed
from tests.unpacked import RESULTS, report_of, study_of


def cards(tmp_path, *paths, data=(), **options):
    config = composed(*data, config="describe")
    config |= {"runs": [str(path) for path in paths], "out": str(tmp_path / "cards"), "ledger": "none.jsonl"} | options
    if data:
        config["data"]["root"] = str(tmp_path)
    return {path.name: path.read_text() for path in describing.describe(config)}


def with_interval(part, whole):
    low, high = proportion_confint(part, whole, method="wilson")
    return f"{shown(part / whole)} ({shown(low)}–{shown(high)})"


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    folder = tmp_path_factory.mktemp("card")
    return cards(folder, RESULTS / STUDENT, split="test", tta="none", ledger=str(RESULTS / "ledger.jsonl"))[
        f"{STUDENT}.md"
    ]


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
