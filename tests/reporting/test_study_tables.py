"""Studies of several runs side by side."""

import json

import numpy as np

from tests.reporting.summaries import (
    STUDENT,
    page_of,
    several,  # noqa: F401
    shown,
)
from tests.unpacked import RESULTS, study_of, unpacked


def test_studies_are_compared_and_shown_as_they_were_written(several, tmp_path):
    on_val, on_test = several.table("temperature", "error after %")
    for row, found in (
        (on_val, study_of(STUDENT, "calibration")),
        (on_test, study_of(STUDENT, "calibration", "test-none")),
    ):
        assert row["run"] == STUDENT
        assert row["temperature"] == f"{found['temperature']:.3f}"
        assert row["error before %"] == shown(found["before"]["ece"], 2)
        assert row["error after %"] == shown(found["after"]["ece"], 2)
        assert row["right %"] == shown(found["abstention"]["accuracy"])
    assert on_test["cross-fitted %"] == "–"
    found = study_of(STUDENT, "robustness")
    (row,) = several.table("mean corrupted %")
    means = {n: np.mean([s["accuracy"] for s in c["by_strength"].values()]) for n, c in found["corruptions"].items()}
    assert {n: row[n.replace("_", " ")] for n in means} == {n: shown(mean) for n, mean in means.items()}
    assert row["mean corrupted %"] == shown(np.mean(list(means.values())))
    alone = page_of(tmp_path, RESULTS / STUDENT)
    by_strength = {row["corruption"]: row for row in alone.table("corruption", "strength 5")}
    assert by_strength["noise"]["strength 3"] == shown(found["corruptions"]["noise"]["by_strength"]["3"]["accuracy"])
    found = study_of(STUDENT, "analysis")
    (row,) = several.table("right where FER+ agrees %")
    assert row["right where FER+ agrees %"] == shown(found["ferplus"]["agrees"]["accuracy"])
    assert row["errors that FER+ disputes"] == f"{found['disputed_errors']} of {found['errors']}"
    regions = next(t for t in alone.tables if t[0][2:] and t[0][2].startswith("brows"))
    density = study_of(STUDENT, "explain", "val")["regions"]["occlusion"]["happy"]["mouth"]
    happy = next(row for row in regions if row[0] == "happy")
    assert f"{density['mean']:.2f} ({density['low']:.2f}–{density['high']:.2f})" in happy


def test_a_study_of_other_weights_is_said_to_be_one(tmp_path):
    folder = unpacked(STUDENT, tmp_path, "run.json", "config.yaml", "reports", "robustness")
    path = folder / "robustness/val-none/robustness.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"weights_sha256": ["other"]}))
    assert page_of(tmp_path, folder).headings.count("Other weights") == 1
