"""A config in, a run directory with the best weights and what they reached on val out."""

import contextlib
import logging
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.exceptions import SIGTERMException

from ferlab.data.store import open_config
from ferlab.errors import FerlabError
from ferlab.jobs import sweep_record
from ferlab.runs import checkpoints, directory
from ferlab.training import distributed
from ferlab.training.compose import Composed, compose
from ferlab.training.loggers import finish_wandb, loggers_of
from ferlab.training.resume import finished_run, run_directory, why_anew
from ferlab.training.run_facts import RunFacts
from ferlab.training.start import pretrained_for, source_of
from ferlab.training.trainer import (
    accelerator_of,
    checkpointing,
    count_ranks,
    keep_heap_pages,
    out_of_memory_hint,
    precision_of,
    refuse_interrupted,
    trainer_of,
)
from ferlab.training.wandb_runs import wandb_mode

log = logging.getLogger(__name__)


def train(config: dict[str, Any]) -> directory.Run:
    """Train as `config` (conf/train.yaml, resolved) says, and return the run.

    Raises:
        FerlabError: anything the user can mend; nothing is written before the config is known to be sound.
        SystemExit: status 143 after SIGTERM, with the state saved for ckpt=last.
    """
    config, pretrained = pretrained_for(config)
    if config["skip_finished"] and not distributed.rank_of() and (done := _finished(config)):
        return done
    pl.seed_everything(config["seed"], verbose=False)
    cuda = accelerator_of(config) == "cuda"
    precision = precision_of(config["trainer"]["precision"], cuda)
    if not cuda:
        keep_heap_pages()
    composed = compose(config, open_config(config["data"]), cuda, pretrained)
    wandb = wandb_mode(config)
    distributed.refuse(count_ranks(config), composed.data.batch_size, config["unfreeze_every"])
    path, checkpoint = run_directory(config)
    sweep_record.note(run=str(path))
    facts = RunFacts.of(config, composed, precision, source_of(config["weights"], pretrained))
    log.info("run %s: augmentation %s; %s", path, facts.augmentation, facts.learns)
    _fit(config, composed, facts, path, checkpoint, wandb)
    return directory.load(path)


def _finished(config: dict[str, Any]) -> directory.Run | None:
    if done := finished_run(config):
        log.info("finished already: %s", done.path)
        sweep_record.note(run=str(done.path), status="skipped")
        return done
    if reason := why_anew(config):
        log.info("%s", reason)
    return None


def _fit(
    config: dict[str, Any], composed: Composed, facts: RunFacts, path: Path, checkpoint: Path | None, wandb: str
) -> None:
    """Train from `checkpoint`, or from the start, into the run directory `path`."""
    started, loggers = time.time(), []
    if not distributed.rank_of():
        facts.write(path)
        loggers = loggers_of(
            path, config, "off" if config["trainer"]["fast_dev_run"] else wandb
        )  # a trial is no result
    best, last = checkpointing(path, config)
    trainer = trainer_of(config, facts.precision, path, [best, last], loggers)
    facts.status = "failed"  # however it ends, if not well
    try:
        with out_of_memory_hint(config["batch_size"]), distributed.starting(path, trainer.strategy.launcher):
            trainer.fit(composed.classifier, composed.data, ckpt_path=checkpoint, weights_only=True)
        refuse_interrupted(trainer)
        if best.best_model_path:  # a trial run (fast_dev_run) saves nothing
            facts.best_epoch = checkpoints.load(best.best_model_path)["epoch"]
        facts.status = "finished"
    except SIGTERMException:
        log.error("stopped by SIGTERM; run the same command with ckpt=last to continue %s", path)
        sys.exit(128 + signal.SIGTERM)
    finally:
        facts.seconds = round(time.time() - started, 1)
        if best.best_model_score is not None:
            facts.val_accuracy, facts.epochs = float(best.best_model_score), trainer.current_epoch
        if trainer.is_global_zero:
            finish_wandb(loggers, composed.classifier, composed.data, path, facts)
            failed = facts.status == "failed"
            with contextlib.suppress(FerlabError) if failed else contextlib.nullcontext():  # the first error counts
                facts.write(path)
