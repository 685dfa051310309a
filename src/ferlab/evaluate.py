"""`python -m ferlab.evaluate`: runs, a split and view sets in, a report per set out; or one exported model in.

The only command that opens a test split; each time the ledger records it before any number is known.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from ferlab.cli import Config, command
from ferlab.errors import FerlabError
from ferlab.files import Json
from ferlab.pages.words import ends, percent


def _print(folder: Path) -> None:
    from ferlab.data.faces import split_title
    from ferlab.ensembling import selection_gap
    from ferlab.evaluation.report import ELSEWHERE

    report = json.loads((folder / "report.json").read_text())
    low, high = map(percent, report["interval95"])
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        f"[bold]{report['name']}[/] {split_title(report['data'], report['split'])}, {report['tta']}: "
        f"[bold]{percent(report['accuracy'])} %[/] (95 % interval {low} to {high}), "
        f"without training twins {percent(report['without_train_twins']['accuracy'])} %, "
        f"macro recall {percent(report['macro_recall'])} %, {report['n']} faces"
    )
    if folder.parent.name == ELSEWHERE:
        console.print(f"  {_recalls(report)}")
    if "looks_before" in report:
        by_these, by_any = report["looks_before"], report["looks_before_at_data"]
        console.print(f"  looks at this test split before this one: {by_these} by these weights, {by_any} by anything")
    if "hindsight" in report:
        console.print(f"  {selection_gap.sentence(report['hindsight'])}")
    console.print(f"  {folder / 'index.html'}", style="dim")


def _recalls(report: Json) -> str:
    """Recall by class with the ends of its 95 % interval, and its mean over the classes that have enough faces."""
    by_class = (
        f"{name} {percent(report['recall'][name])} ({ends(interval)}, {report['support'][name]} faces)"
        for name, interval in report["recall_interval95"].items()
        if interval
    )
    frequent = report["frequent_recall"]
    return (
        f"labels of {report['label_system']}, trained for those of {report['trained_label_system']}; recall in %: "
        f"{', '.join(by_class)}; mean of the {len(frequent['classes'])} classes with {frequent['at_least']} faces "
        f"{percent(frequent['mean'])}"
    )


def _exported(config: Config) -> Iterator[Path]:
    from ferlab.evaluation.door import Door
    from ferlab.evaluation.exported import evaluate_exported
    from ferlab.inference import models

    fixed = {"runs": None, "each": False, "name": None, "tta": None, "tta_space": None}
    for key, expected in fixed.items():
        if config[key] != expected:
            raise FerlabError(f"weights={config['weights']} is one file with its views inside; leave out {key}")
    door = Door(config["split"], data=config.get("data"), device=config["device"], ledger_path=config["ledger"])
    path = models.find(config["weights"])
    yield evaluate_exported(path, door, Path(config["outputs"]), config["skip_measured"], config["priors"])


def _runs(config: Config) -> Iterator[Path]:
    from ferlab.evaluation.door import Door
    from ferlab.evaluation.measuring import Options, evaluate, evaluate_each

    if config["each"] and config["name"] is not None:
        raise FerlabError(f"name={config['name']} is for an ensemble, and each=true makes none; leave out one of them")
    options = Options(config["batch_size"], Path(config["outputs"]), config["skip_measured"], config["priors"])
    views = config["tta"], config["tta_space"]
    door = Door(config["split"], *views, config.get("data"), config["device"], config["ledger"])
    if config["each"]:
        yield from evaluate_each(config["runs"], door, options)
    else:
        yield from evaluate(config["runs"], door, options, config["name"])


@command("evaluate")
def main(config: Config) -> None:
    from ferlab.reporting import site
    from ferlab.training import report_logger, wandb_runs

    mode, weights = wandb_runs.wandb_mode(config["wandb"]), config["weights"]
    if weights is not None and mode != "off":
        raise FerlabError(f"wandb={mode} is for runs, not for weights={weights}; leave it out")
    homes = []
    try:
        for folder in _runs(config) if weights is None else _exported(config):
            _print(folder)
            homes.append(folder.absolute().parents[1])
            if mode != "off":
                report_logger.log_report(folder, mode)
    finally:  # with each=true some may fail
        site.refresh(homes)


if __name__ == "__main__":
    main()
