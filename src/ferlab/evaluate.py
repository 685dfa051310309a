"""`python -m ferlab.evaluate`: runs, a split and sets of views in, a report per set out; or one exported model in.

The only command that opens a test split; each time it does is written to the ledger before any number is known.
"""

import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from ferlab.cli import command
from ferlab.config import plain
from ferlab.data import faces
from ferlab.ensembling import selection_gap
from ferlab.errors import FerlabError
from ferlab.evaluation.door import Door
from ferlab.evaluation.exported import evaluate_exported
from ferlab.evaluation.measuring import Options, evaluate, evaluate_each
from ferlab.inference import models
from ferlab.pages.words import percent
from ferlab.training import report_logger, wandb_runs


def _say(folder: Path) -> None:
    told = json.loads((folder / "report.json").read_text())
    low, high = map(percent, told["interval95"])
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        f"[bold]{told['name']}[/] {faces.split_title(told['data'], told['split'])}, {told['tta']}: "
        f"[bold]{percent(told['accuracy'])} %[/] (95 % interval {low} to {high}), "
        f"without training twins {percent(told['without_train_twins']['accuracy'])} %, "
        f"macro recall {percent(told['macro_recall'])} %, {told['n']} faces"
    )
    if "looks_before" in told:
        by_these, by_any = told["looks_before"], told["looks_before_at_data"]
        console.print(f"  looks at this test split before this one: {by_these} by these weights, {by_any} by anything")
    if "hindsight" in told:
        console.print(f"  {selection_gap.sentence(told['hindsight'])}")
    console.print(f"  {folder / 'index.html'}", style="dim")


def _refuse_for_exported(config: dict[str, Any]) -> None:
    for key, expected in (("runs", None), ("each", False), ("name", None), ("tta", None), ("tta_space", None)):
        if config[key] != expected:
            raise FerlabError(f"weights={config['weights']} is one file with its views inside; leave out {key}")


@command("evaluate")
def main(cfg: DictConfig) -> None:
    config = plain(cfg)
    mode, outputs = wandb_runs.wandb_mode(config), Path(config["outputs"])
    door = Door(
        config["split"],
        config["tta"],
        config["tta_space"],
        device=config["device"],
        ledger_path=config["ledger"],
    )
    if config["weights"] is not None:
        _refuse_for_exported(config)
        if mode != "off":
            raise FerlabError(f"wandb={mode} is for runs, not for weights={config['weights']}; leave it out")
        _say(evaluate_exported(models.find(config["weights"]), door, outputs, config["skip_measured"]))
        return
    if config["each"] and config["name"] is not None:
        raise FerlabError(f"name={config['name']} is for an ensemble, and each=true makes none; leave out one of them")
    options = Options(config["batch_size"], outputs, config["skip_measured"])
    if config["each"]:
        folders = evaluate_each(config["runs"], door, options)
    else:
        folders = iter(evaluate(config["runs"], door, options, config["name"]))
    for folder in folders:
        _say(folder)
        if mode != "off":
            report_logger.log_report(folder, mode)


if __name__ == "__main__":
    main()
