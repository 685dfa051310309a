"""Reports of runs and ensembles as evaluate writes them, made by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from ferlab.metrics.statistics import accuracy_of


def write(folder, name, split="val", tta="none", right=0.7, seed=0, n=500, **fields):
    """A report as `report.write_report` leaves it, as far as comparing reads it."""
    correct = np.random.default_rng([ord(c) for c in name + split + tta]).random(n) < right
    told = {
        "name": name,
        "model": "five_layer",
        "members": [name],
        "data": "fer2013",
        "class_weights": "none",
        "seed": seed,
        "split": split,
        "tta": tta,
        "faces_sha256": split,
        **accuracy_of(correct),
        "without_train_twins": accuracy_of(correct[: n - 40]),
        "macro_recall": 0.61,
        "disgust_misclassification": 0.345,
        **fields,
    }
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps({k: v for k, v in told.items() if v is not None}))
    np.save(folder / "correct.npy", correct)
    return told


def rows(markdown):
    """Cells of the first table, by the first column."""
    lines = [line.strip("| ").split(" | ") for line in markdown.split("\n\n")[0].splitlines()]
    return lines[0], {line[0]: line[1:] for line in lines[2:]}


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outputs = Path("outputs")
    told = [
        write(
            outputs / f"five_layer-fer2013-none-s{s}/reports/{split}-none",
            f"five_layer-fer2013-none-s{s}",
            split,
            seed=s,
        )
        for s in range(3)
        for split in ("val", "test")
    ]
    best = "senet50-fer2013+aux-none-s0"
    for split in ("val", "test"):
        for tta in ("none", "flip"):
            folder = outputs / best / "reports" / f"{split}-{tta}"
            told.append(write(folder, best, split, tta, 0.8, model="senet50", data="fer2013+aux"))
    ensemble = {"model": "ensemble", "members": ["a", "b"], "seed": [0, 1]}
    told.append(write(outputs / "ensembles/a__b/reports/test-none", "a__b", "test", right=0.75, **ensemble))
    return told
