"""`python -m ferlab.train`: conf in, a run directory with the best weights and their val accuracy out."""

import logging
import warnings
from pathlib import Path

from ferlab.cli import Config, command
from ferlab.commandline import typed

log = logging.getLogger(__name__)


def _quiet() -> None:
    """Keep Lightning's advertisements and its remarks on what ferlab has decided out of the output."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.*",
        "The number of training batches",
        ".*does not have many workers",
        ".*is not resumable",
        "Checkpoint directory .* exists and is not empty",
        ".broadcast_buffers. is deprecated",  # its successor is in the newest torch alone
    ):
        warnings.filterwarnings("ignore", message)


def _hint_at_the_recipe(model: str) -> None:
    """`model=` alone is a free combination: of a net that has a measured recipe, say which that is."""
    from ferlab.config import CONF
    from ferlab.jobs import typed as what_was_typed

    job = what_was_typed.job()
    if not job.experiment and not job.sweep and Path(CONF, "experiment", f"{model}.yaml").is_file():
        log.info("model=%s with these keys is not what results/ measured; that is experiment=%s", model, model)


@command("train")
def main(config: Config) -> float:
    """Returns the val accuracy, which a search maximises; NaN where there is none."""
    from ferlab.training import distributed
    from ferlab.training.fit import train

    _quiet()
    if config["data"]["name"] != "drawn" and not config["ckpt"]:
        _hint_at_the_recipe(config["model"]["name"])
    if distributed.rank_of(config):
        logging.disable(logging.ERROR)  # rank zero reports it
    run = train(config)
    if run is None:
        log.info("trial run, nothing kept")
        return float("nan")
    accuracy: float = run.info.get("val_accuracy", float("nan"))
    log.info("val accuracy %.2f %%; next: python -m ferlab.evaluate %s", 100 * accuracy, typed("runs", run.path))
    return accuracy


if __name__ == "__main__":
    main()
