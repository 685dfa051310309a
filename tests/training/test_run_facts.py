"""run.json: what is known before the first step, and what is added at the end."""

import hashlib
import json

import pytest

from ferlab.expressions import EXPRESSIONS
from ferlab.runs import directory
from ferlab.training.compose import compose
from ferlab.training.run_facts import RunFacts


@pytest.fixture
def facts(config, faces) -> RunFacts:
    asked = config("seed=3", "class_weights=balanced")
    return RunFacts.of(asked, compose(asked, faces, cuda=False), "32-true", "none")


def test_the_facts_are_those_of_the_config_the_data_and_the_net(facts, faces):
    assert (facts.status, facts.model, facts.data, facts.seed) == ("running", "five_layer", "drawn", 3)
    assert (facts.class_weights, facts.precision, facts.weights, facts.teacher) == ("balanced", "32-true", "none", None)
    counts = faces.of_split("train").targets.sum(0)
    assert facts.class_counts == dict(zip(EXPRESSIONS, counts.tolist(), strict=True))
    assert facts.label_system == "drawn"
    assert facts.priors == pytest.approx([1 / 7] * 7)  # balanced
    assert facts.learns == f"{facts.parameters:,} of {facts.parameters:,} parameters learn"
    assert facts.augmentation == "batched"
    for split in ("train", "val"):
        part = faces.of_split(split)
        found = hashlib.sha256(part.pixels.tobytes() + part.targets.argmax(1).tobytes()).hexdigest()
        assert facts.faces_sha256[split] == found


def test_what_is_not_reached_is_left_out(facts, tmp_path):
    facts.write(tmp_path)
    before = json.loads((tmp_path / directory.INFO).read_text())
    assert before["teacher"] is None
    assert not {"best_epoch", "val_accuracy", "epochs", "seconds"} & before.keys()
    facts.status, facts.best_epoch, facts.val_accuracy, facts.epochs, facts.seconds = "finished", 0, 0.5, 1, 2.0
    facts.write(tmp_path)
    after = json.loads((tmp_path / directory.INFO).read_text())
    assert {key: after[key] for key in after if after[key] != before.get(key)} == {
        "status": "finished", "best_epoch": 0, "val_accuracy": 0.5, "epochs": 1, "seconds": 2.0
    }  # fmt: skip
