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
from ferlab.evaluation.exported import evaluate_exported
from ferlab.evaluation.measuring import evaluate, evaluate_each
from ferlab.inference import models
from ferlab.pages.words import percent
from ferlab.training import loggers


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


def _exported(config: dict[str, Any]) -> Path:
    for key, expected in (("runs", None), ("each", False), ("name", None), ("tta", None), ("tta_space", None)):
        if config[key] != expected:
            raise FerlabError(f"weights={config['weights']} is one file with its views inside; leave out {key}")
    keys = ("split", "outputs", "skip_measured")
    options = {key: config[key] for key in keys} | {"ledger_path": config["ledger"]}
    return evaluate_exported(models.find(config["weights"]), **options)


@command("evaluate")
def main(cfg: DictConfig) -> None:
    config = plain(cfg)
    mode = loggers.wandb_mode(config)
    if config["weights"] is not None:
        if mode != "off":
            raise FerlabError(f"wandb={mode} is for runs, not for weights={config['weights']}; leave it out")
        _say(_exported(config))
        return
    if config["each"] and config["name"] is not None:
        raise FerlabError(f"name={config['name']} is for an ensemble, and each=true makes none; leave out one of them")
    keys = ("tta", "split", "batch_size", "device", "outputs", "skip_measured")
    options = {key: config[key] for key in keys} | {"ledger_path": config["ledger"], "space": config["tta_space"]}
    if config["each"]:
        folders = evaluate_each(config["runs"], **options)
    else:
        folders = evaluate(config["runs"], name=config["name"], **options)
    for folder in folders:
        _say(folder)
        if mode != "off":
            loggers.evaluated(folder, mode)


if __name__ == "__main__":
    main()
