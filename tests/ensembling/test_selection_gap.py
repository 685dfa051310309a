"""The best choice on test, told only afterwards."""

import json

import numpy as np
import pytest

from ferlab import evaluate
from ferlab.predictors import of_run, predictor
from ferlab.runs import directory
from tests.composing import composed
from tests.ensembling.conftest import FACES, NETS, choose

# Hindsight, and the teacher


def test_the_selection_gap_is_told_after_test_alone(made, capsys):
    folder, _ = choose("best", "method=soft", "tta=none")
    conf = composed(f"runs={folder}", "device=cpu", command="evaluate")
    for split in ("val", "test"):
        evaluate.main.__wrapped__({**conf, "split": split})
    shown = capsys.readouterr().out
    assert shown.count("in hindsight (known only after the choice, never used to choose)") == 1
    reports = {s: json.loads((folder / f"reports/{s}-none/report.json").read_text()) for s in ("val", "test")}
    assert "hindsight" not in reports["val"]
    test, found = FACES.of_split("test"), reports["test"]["hindsight"]
    said_by = [
        predictor.predict(of_run.predictor_of(directory.load(f"outputs/{name}")), test.pixels) for name in sorted(NETS)
    ]
    singles = [float(np.mean(p.argmax(1) == test.labels)) for p in said_by]
    assert found["best_single"]["accuracy"] == max(singles)
    assert found["best_single"]["gap"] == pytest.approx(max(singles) - reports["test"]["accuracy"])
    weights = [found["best_greedy"]["members"].get(name, 0) for name in sorted(NETS)]
    assert found["best_greedy"]["accuracy"] == np.mean(np.average(said_by, 0, weights).argmax(1) == test.labels)
    assert found["best_greedy"]["accuracy"] >= max(singles)
