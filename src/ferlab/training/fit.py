"""`python -m ferlab.train`: conf in, a run directory with the best weights and what they reached on val out."""

import contextlib
import logging
import signal
import sys
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import nn

from ferlab import files
from ferlab.data.augment import Augment
from ferlab.data.datamodule import FacesDataModule
from ferlab.data.store import open_config
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.jobs import sweep_record
from ferlab.runs import checkpoints, directory, provenance
from ferlab.training import distributed, durable_checkpoints, freeze, setup
from ferlab.training.classifier import ExpressionClassifier
from ferlab.training.compose import compose, pretrained_for, source_of, teacher_of
from ferlab.training.loggers import finish_wandb, loggers_of
from ferlab.training.resume import finished_run, run_directory, why_anew
from ferlab.training.wandb_runs import wandb_mode

log = logging.getLogger(__name__)


def train(config: dict[str, Any]) -> directory.Run:
    """Train as `config` (conf/train.yaml, resolved) says, and return the run.

    Raises:
        FerlabError: anything the user can mend; nothing is written before the config is known to be sound.
        SystemExit: status 143 after SIGTERM, with the state saved for ckpt=last.
    """
    config, pretrained = pretrained_for(config)
    if config["skip_finished"] and not distributed.rank_of():
        if done := finished_run(config):
            log.info("finished already: %s", done.path)
            sweep_record.note(run=str(done.path), status="skipped")
            return done
        if reason := why_anew(config):
            log.info("%s", reason)
    pl.seed_everything(config["seed"], verbose=False)
    cuda = setup.accelerator_of(config) == "cuda"
    precision = setup.precision_of(config["trainer"]["precision"], cuda)
    if not cuda:
        setup.keep_heap_pages()
    data, classifier = compose(config, open_config(config["data"]), cuda, pretrained)
    wandb = wandb_mode(config)
    if config["trainer"]["fast_dev_run"]:
        wandb = "off"  # a trial run is no result
    distributed.refuse(setup.count_ranks(config), data.batch_size, config["unfreeze_every"])
    path, resume = run_directory(config)
    sweep_record.note(run=str(path))
    log.info("run %s: augmentation %s; %s", path, _augmentation(data.augment), _learns(classifier))

    started = time.time()
    info = _facts(config, data, classifier, precision) | {"weights": source_of(config, pretrained)}
    if not distributed.rank_of():
        files.write_json(path / directory.INFO, info)
    best, last = setup.checkpointing(path, config)
    callbacks = [*setup.callbacks_of(config), best, last]
    loggers = [] if distributed.rank_of() else loggers_of(path, config, wandb)
    trainer = pl.Trainer(
        **{**config["trainer"], "precision": precision},
        callbacks=callbacks,
        logger=loggers,
        strategy=config["strategy"],
        sync_batchnorm=cuda,  # over the whole batch; with one device Lightning leaves it out, and the CPU has none
        plugins=[
            durable_checkpoints.DurableCheckpointIO(),
            LightningEnvironment(),
        ],  # Slurm starts runs here, never ranks
        default_root_dir=path,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        use_distributed_sampler=False,  # the data module gives each rank its share
    )
    failed = True
    try:
        with setup.out_of_memory_hint(config["batch_size"]), distributed.starting(path, trainer.strategy.launcher):
            trainer.fit(classifier, data, ckpt_path=resume, weights_only=True)
        setup.refuse_interrupted(trainer)
        if best.best_model_path:  # a trial run (fast_dev_run) saves nothing
            info["best_epoch"] = checkpoints.load(best.best_model_path)["epoch"]
        failed = False
    except SIGTERMException:
        log.error("stopped by SIGTERM; run the same command with ckpt=last to continue %s", path)
        sys.exit(128 + signal.SIGTERM)
    finally:
        info |= {"status": "failed" if failed else "finished", "seconds": round(time.time() - started, 1)}
        if best.best_model_score is not None:
            info |= {"val_accuracy": float(best.best_model_score), "epochs": trainer.current_epoch}
        if trainer.is_global_zero:
            finish_wandb(loggers, classifier, data, path, info)
            with contextlib.suppress(FerlabError) if failed else contextlib.nullcontext():  # the first error counts
                files.write_json(path / directory.INFO, info)
    return directory.load(path)


def _facts(
    config: dict[str, Any], data: FacesDataModule, classifier: ExpressionClassifier, precision: str
) -> dict[str, Any]:
    """What run.json says of a run before it has reached anything."""
    return {
        "status": "running",
        "model": config["model"]["name"],
        "data": config["data"]["name"],
        "class_weights": config["class_weights"],
        "seed": config["seed"],
        "commit": provenance.commit(),
        "parameters": _parameters(classifier.net),
        "class_counts": dict(zip(EXPRESSIONS, data.class_counts.tolist(), strict=True)),
        "precision": precision,
        "learns": _learns(classifier),
        "augmentation": _augmentation(data.augment),
        "expressions": list(EXPRESSIONS),
        "teacher": taught.about if (taught := teacher_of(config)) else None,
        "environment": provenance.environment(),
    }


def _parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def _learns(classifier: ExpressionClassifier) -> str:
    return freeze.describe(classifier.net, classifier.learning)


def _augmentation(augment: Augment) -> str:
    return augment.path if not augment.reason else f"{augment.path} ({augment.reason})"
