"""Sentences on top of a report's page: every number in them is counted anew here."""

import numpy as np

from ferlab.expressions import EXPRESSIONS
from ferlab.metrics import scores
from ferlab.pages import findings
from tests.metrics.test_scores import made, made_faces


def test_sentences_hold_what_is_counted_from_the_answers():
    p, faces, twins = made(1000)
    report = {**scores.measure(p, faces, twins), "tta": "none"}
    first, extremes, confidence = findings.of_report(report)
    right = p.argmax(1) == faces.labels
    assert first.startswith(f"Right for {100 * right.mean():.1f} % of 1,000 faces (95 % interval ")
    recall = {name: right[faces.labels == k].mean() for k, name in enumerate(EXPRESSIONS)}
    best, worst = max(recall, key=recall.get), min(recall, key=recall.get)
    assert extremes == f"Best at {best} ({100 * recall[best]:.1f} %), worst at {worst} ({100 * recall[worst]:.1f} %)."
    over = p.max(1).mean() - right.mean()
    assert (
        confidence == f"On average its confidence is {100 * abs(over):.1f} points too {'high' if over > 0 else 'low'}."
    )


def test_a_class_of_few_faces_is_neither_best_nor_worst():
    labels = np.repeat([0, 1, 3], [50, 10, 60])
    p = np.eye(7, dtype=np.float32)[np.where(labels == 1, 0, labels)] * 0.9 + 0.1 / 7
    p[:5] = np.eye(7)[3]
    report = scores.measure(p, made_faces(labels), np.zeros(120, bool))
    text = findings.of_report({**report, "tta": "none"})[1]
    assert text == "Best at happy (100.0 %), worst at angry (90.0 %), not counting disgust (10 faces)."


def test_views_are_compared_by_faces():
    p, faces, twins = made()
    report = {**scores.measure(p, faces, twins), "tta": "views12", "views": [0] * 12}
    for more, text in (
        (8, "2.0 points better with twelve views (views12) than in a single view: 8 more faces are right."),
        (-4, "1.0 points worse with twelve views (views12) than in a single view: 4 fewer faces are right."),
        (0, "No better with twelve views (views12) than in one."),
    ):
        assert text in findings.of_report(report, {"correct": report["correct"] - more})
