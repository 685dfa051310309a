"""The dashboards as W&B would get them: every name in them is one that a run or a report has."""

import json

import pytest

from ferlab.runs import directory
from ferlab.training import fit, report_logger
from tests.conftest import made_faces, measure
from tests.training.conftest import wandb_home
from tests.training.offline_wandb import read

pytest.importorskip("wandb_workspaces")
pytestmark = [
    pytest.mark.usefixtures(wandb_home.__name__),
    pytest.mark.filterwarnings("ignore:Pydantic V1 style"),  # of wandb_workspaces
]


@pytest.fixture
def specs(capsys):
    """A function of words that gives the two views, as they would be sent."""
    from tools import wandb_workspace

    def printed(*words: str) -> list[dict]:
        wandb_workspace.main(["me", "--spec", *words])
        return json.loads(capsys.readouterr().out)

    return printed


def names(spec: dict) -> tuple[set[str], set[str]]:
    """Metrics and keys of the config that a view shows or groups by."""
    metrics, keys = set(), set()
    for section in spec["spec"]["section"]["panelBankConfig"]["sections"]:
        for config in (panel["config"] for panel in section["panels"]):
            axes = [column["accessor"] for column in config.get("columns", ())]
            axes += [config[axis] for axis in ("xAxis", "yAxis") if axis in config]
            metrics |= {axis.removeprefix("summary:") for axis in axes if not axis.startswith("config:")}
            metrics |= {*config.get("metrics", ())}
            keys |= {axis.removeprefix("config:") for axis in axes if axis.startswith("config:")}
            keys |= {config["groupBy"]} if "groupBy" in config else set()
    [chosen] = spec["spec"]["section"]["runSets"]
    keys |= {group["name"] for group in chosen["grouping"]}
    return metrics, {key.replace(".value", "", 1) for key in keys}


def filters(spec: dict) -> list[tuple[str, object]]:
    [chosen] = spec["spec"]["section"]["runSets"]
    return [(one["key"]["name"], one["value"]) for one in chosen["filters"]["filters"]]


def test_the_trainings_of_a_sweep_are_shown_by_what_a_run_logs(specs, trained):
    found, _ = specs("--sweep", "2026-11-27_21-00-00")
    assert (found["entity"], found["project"], found["displayName"]) == ("me", "ferlab", "ferlab: trainings")
    assert filters(found) == [("jobType", "train"), ("tags", ["sweep=2026-11-27_21-00-00"])]
    metrics, keys = names(found)
    run = directory.load(trained)
    assert metrics <= {name for row in run.metrics_rows() for name in row}
    assert {"epoch", "val/accuracy", "val/macro_recall", "train/loss"} <= metrics
    assert {"class_weights", "data", "model.name"} <= keys
    assert {key.partition(".")[0] for key in keys} <= set(run.config)


@pytest.mark.slow
def test_reports_are_shown_by_what_a_report_logs(specs, config, monkeypatch, tmp_path):
    run = fit.train(config("trainer.max_epochs=1"))
    monkeypatch.setattr(directory.Run, "faces", lambda self: made_faces())
    [folder] = measure(str(run.path), "flip", ledger_path=tmp_path / "ledger.jsonl")
    report_logger.log_report(folder, "offline")
    logged = read(run.path)
    _, found = specs()
    metrics, keys = names(found)
    assert metrics <= set(logged["curves"])
    assert keys <= set(logged["config"])
    assert {"tta", "class_weights", "data"} <= keys
    assert filters(found) == [("jobType", logged["run"].job_type), ("split", "val")]
    assert filters(specs("--split", "test")[1])[1] == ("split", "test")
