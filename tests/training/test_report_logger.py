"""Reports as runs of W&B."""

import json
import subprocess
import sys

import numpy as np
import pytest

from ferlab.runs import directory
from ferlab.training import fit as training
from ferlab.training import report_logger
from tests.conftest import made_faces, measure
from tests.training.offline_wandb import read

pytestmark = pytest.mark.usefixtures("wandb_home")


def test_a_report_is_a_run_of_its_own_with_its_views_as_an_axis(config, monkeypatch, tmp_path):
    run = training.train(config("wandb=off", "trainer.max_epochs=1", "class_weights=balanced"))
    monkeypatch.setattr(directory.Run, "faces", lambda self: made_faces())
    [folder] = measure(str(run.path), "flip", ledger_path=tmp_path / "ledger.jsonl")
    report_logger.log_report(folder, "offline")
    report, found = json.loads((folder / "report.json").read_text()), read(run.path)
    assert found["run"].job_type == "evaluate"
    assert found["run"].run_group == f"five_layer-{report['data']}"
    assert set(found["run"].tags) == {"evaluate", "split=val", "tta=flip"}
    axes = {"tta": "flip", "class_weights": "balanced", "split": "val", "members": [run.name]}
    assert {key: found["config"][key] for key in axes} == axes
    assert found["curves"]["val/accuracy"] == [report["accuracy"]]
    assert found["curves"]["val/accuracy_low"] == [report["interval95"][0]]
    assert found["curves"]["val/without_train_twins"] == [report["without_train_twins"]["accuracy"]]
    [confusion] = run.path.glob("wandb/offline-run-*/files/media/table/val/confusion_table*.json")
    rows = json.loads(confusion.read_text())["data"]
    assert [row[2] for row in rows] == np.array(report["confusion_matrix"]).flatten().tolist()

    before = found["run"].run_id
    for path in run.path.glob("wandb/offline-run-*/*.wandb"):
        path.unlink()
    report_logger.log_report(folder, "offline")  # measured again, it is the same run
    assert read(run.path)["run"].run_id == before


def test_evaluate_logs_reports_without_lightning_and_the_classifier():
    code = "import sys; from ferlab.training import report_logger; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "ferlab.training.report_logger" in loaded
    assert not {"torch", "pytorch_lightning", "ferlab.training.classifier"} & set(loaded)
