"""Rankings: the best on val first, and a column for each setting in which runs differ."""

import json
from pathlib import Path

import numpy as np

from ferlab.reporting import ranking, reports
from tests.reporting.written import made, write  # noqa: F401

CONFIG = {"lr": 0.1, "seed": 0, "model": {"name": "five_layer", "input": {"size": 48}}, "outputs": "a"}


def of(name, accuracy, config=None, split="val", **more):
    return {"name": name, "split": split, "tta": "none", "accuracy": accuracy, "config": config or {}, **more}


def test_rows_are_ordered_by_their_mean_on_val(made):
    found = reports.read("outputs/*")
    table = ranking.ranked(found, "test", "none", {"a__b": "#x", "five_layer-fer2013-none-s1": "#y"})
    rows = {"a__b": [], "five_layer-fer2013-none": [], "senet50-fer2013+aux-none-s0": []}
    for report in found:
        if (report["split"], report["tta"]) == ("val", "none"):
            rows[next(row for row in rows if report["name"].startswith(row))].append(report["accuracy"])
    expected = sorted(rows, key=lambda row: -np.mean(rows[row]) if rows[row] else 1)
    assert (
        [row[0] for row in table.rows] == expected == ["senet50-fer2013+aux-none-s0", "five_layer-fer2013-none", "a__b"]
    )
    assert table.links == {"a__b": "#x"}  # of several seeds the first is linked
    assert table.caption.startswith("Ranked by accuracy on PublicTest, single view, else in the first views of a row.")


def test_settings_that_differ_are_columns():
    other = json.loads(json.dumps(CONFIG)) | {"lr": 0.2, "seed": 1, "outputs": "b"}
    other["augment"] = {"policy": [{"_target_": "albumentations.Rotate"}]}
    columns, others = ranking.differing({"a": of("a", 0.5, CONFIG), "b": of("b", 0.6, other), "c": of("c", 0.7)})
    assert columns == {
        "lr": {"a": "0.1", "b": "0.2", "c": "–"},
        "augment": {"a": "–", "b": "Rotate", "c": "–"},
    }
    assert others == []
    wide = dict.fromkeys("abcdefgh", 1)
    columns, others = ranking.differing({"a": of("a", 0.5, wide), "b": of("b", 0.5, dict.fromkeys(wide, 2))})
    assert list(columns) == list("abcdef")
    assert others == ["g", "h"]


def test_the_best_is_told_of_val_alone():
    found = [of("a", 0.5), of("b", 0.6, interval95=[0.5, 0.7]), of("a", 0.9, split="test")]
    assert (
        ranking.best("drawn", found)
        == "drawn: the best of 2 on val is b, right for 60.0 % (50.0–70.0) in a single view."
    )
    assert ranking.best("drawn", found[2:]) == "drawn: no run has a report on val."


def test_two_learning_rates_of_one_net_are_told_apart(tmp_path):
    for number, lr in (("", 0.1), ("-2", 0.2)):
        name = f"five_layer-drawn-none-s0{number}"
        write(Path(tmp_path, name, "reports/val-none"), name, data="drawn", config={"lr": lr, "name": name})
    table = ranking.ranked(reports.read(f"{tmp_path}/*"), "val", "none", {})
    assert "| run | lr | validation, single view |" in reports.compare(reports.read(f"{tmp_path}/*"))
    lrs = {row[0]: row[table.head.index("lr")] for row in table.rows}
    assert lrs == {"five_layer-drawn-none-s0": "0.1", "five_layer-drawn-none-s0-2": "0.2"}
