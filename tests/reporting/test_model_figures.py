"""What stands beside the exported models is what results/ holds of their very files."""

import csv
import json
import shutil

import pytest
from statsmodels.stats.proportion import proportion_confint

from ferlab.inference import catalogue, models
from ferlab.reporting import model_figures
from tests.reporting.test_published import RESULTS


def rows_of(sha256):
    """Rows of measurements.csv, by split, read by the csv module alone."""
    with (RESULTS / "measurements.csv").open(newline="") as lines:
        return {row["split"]: row for row in csv.DictReader(lines) if row["sha256"] == sha256}


@pytest.mark.parametrize("name", models.names())
def test_the_figures_beside_a_model_are_those_in_results(name):
    path = models.find(name)
    measured, stated = models.measured(path), json.loads(path.with_suffix(".json").read_text())
    rows = rows_of(stated["sha256"])
    assert {"val", "test"} & measured.keys() == rows.keys()
    for split, row in rows.items():
        assert row["views"] == stated["tta"]
        for found, prefix in ((measured[split], ""), (measured[split]["without_twins"], "without_twins_")):
            n, correct = int(row[f"{prefix}n"]), int(row[f"{prefix}correct"])
            assert (found["n"], found["correct"]) == (n, correct), "type python -m ferlab.publish tables=true"
            assert found["accuracy"] == pytest.approx(correct / n)
            assert found["interval95"] == pytest.approx(proportion_confint(correct, n, method="wilson"))


def test_each_model_states_its_speed_beside_that_of_one_in_the_same_run():
    speeds = [models.measured(path)["speed"] for path in models.found().values()]
    assert {speed["threads"] for speed in speeds} == {1}
    for speed in speeds:
        assert speed["cpu"]
        assert speed["onnxruntime"]
        assert 0 < speed["relative_to"]["five_layer"] < 1000


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The package's models without what was measured of them, in no checkout."""
    for path in models.found().values():
        if not models.is_of_the_zoo(path):
            for file in (path, path.with_suffix(".json")):
                shutil.copy(file, tmp_path)
    monkeypatch.setattr(models, "_FOLDER", tmp_path)
    return tmp_path


def test_what_was_published_is_noted_and_the_speed_stays(copied):
    path = models.find("five_layer")
    models.note(path, speed={"ms_per_face": 0.5, "relative_to": {"five_layer": 0.5}, "cpu": "one"})
    assert path.with_suffix(".measured.json") in model_figures.record(RESULTS)
    assert set(models.measured(path)) == {"sha256", "speed", "val", "test"}
    assert "| 0.50 (1.0) |" in model_figures.table()
    assert models.not_installed() == []


def test_a_file_that_was_not_published_has_no_figures(copied):
    file = models.find("five_layer").with_suffix(".json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"sha256": "0" * 64}))
    model_figures.record(RESULTS)
    assert models.measured(models.find("five_layer")) == {}


def test_models_of_the_zoo_are_listed_in_the_package(copied, tmp_path_factory, monkeypatch):
    site = tmp_path_factory.mktemp("site")
    (site / models.ZOO).mkdir()
    (site / models.ZOO / "__init__.py").touch()
    for suffix in (".onnx", ".json"):
        shutil.copy(copied / f"accurate{suffix}", site / models.ZOO / f"large{suffix}")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(site)
        model_figures.record(RESULTS)
        here = catalogue.rows()
    (gone,) = models.not_installed()
    assert gone["name"] == "large"
    assert gone["test"]["correct"] == int(rows_of(models.stated(copied / "accurate.onnx")["sha256"])["test"]["correct"])
    missing = [row for row in catalogue.rows() if row.name == "large"]
    assert [row.place for row in here if row.name == "large"] == ["ferlab-zoo"]
    assert [row.place for row in missing] == ["not here: pip install ./zoo"]


def test_the_table_has_a_row_a_model_and_eight_columns():
    lines = [line for line in model_figures.table().splitlines() if line.startswith("| `")]
    assert [line.split("`")[1] for line in lines] == [row.name for row in catalogue.rows()]
    assert {line.count(" | ") for line in lines} == {7}


def test_what_was_measured_of_a_file_on_other_data_is_noted_by_its_place(copied, tmp_path):
    path = models.find("five_layer")
    stated, exported = models.stated(path), tmp_path / "exported"
    alone = {"n": 8, "correct": 6, "accuracy": 0.75, "interval95": [0.4, 0.9]}
    own = {"weights_sha256": [stated["sha256"]], "name": "five_layer", "export": stated, "split": "test", "tta": "none"}
    own |= {"n": 10, "correct": 7, "accuracy": 0.7, "interval95": [0.4, 0.9], "without_train_twins": alone}
    reports = {
        "five_layer/elsewhere/wild-test-none": own | {"data": "wild", "recall": {"sad": 0.5}, "label_system": "wild"},
        "five_layer/reports/test-none": own | {"data": "fer2013"},  # which results/ has
        "five_layer-ferplus/reports/test-none": own
        | {"data": "fer2013+aux", "name": "five_layer-ferplus", "priors": [1]},
        "other/elsewhere/wild-test-none": own | {"data": "wild", "weights_sha256": ["0"], "correct": 1},
    }
    for place, report in reports.items():
        (exported / place).mkdir(parents=True)
        (exported / place / "report.json").write_text(json.dumps(report))
    assert model_figures.record_elsewhere(exported) == [path.with_suffix(".measured.json")]
    found = models.measured(path)["elsewhere"]
    assert set(found) == {"wild-test", "fer2013-test-for-ferplus"}
    assert found["wild-test"] == {
        **{key: own[key] for key in ("n", "correct", "accuracy", "interval95")},
        **{"without_twins": alone, "label_system": "wild", "recall": {"sad": 0.5}},
    }
