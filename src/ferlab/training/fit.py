"""A config in, a run directory with the best weights and what they reached on val out."""

import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from ferlab import values
from ferlab.config import Config, keys_of
from ferlab.data.store import open_config
from ferlab.errors import FerlabError
from ferlab.jobs import sweep_record
from ferlab.predictors import heap
from ferlab.runs import checkpoints, directory
from ferlab.training import distributed
from ferlab.training.compose import Composed, compose
from ferlab.training.loggers import finish_wandb, loggers_of, wandb_of
from ferlab.training.ranks import all_ranks
from ferlab.training.resume import Place, finished_run, run_directory, why_anew
from ferlab.training.run_facts import RunFacts
from ferlab.training.start import pretrained_for, source_of
from ferlab.training.stopping import Stopping
from ferlab.training.trainer import (
    accelerator_of,
    checkpointing,
    count_ranks,
    hinting,
    precision_of,
    refuse_arguments,
    refuse_unsound,
    trainer_of,
)

log = logging.getLogger(__name__)


def train(config: Config) -> directory.Run | None:
    """Train by `config` (conf/train.yaml, resolved), and return the run; None of a trial, of which nothing is kept.

    Raises:
        FerlabError: anything the user can mend; nothing is written before the config is known to be sound.
        SystemExit: status 143 after SIGTERM and 130 after Ctrl-C, with the state saved for ckpt=last.
    """
    values.check(config, keys_of("train"))  # also where no command was typed
    refuse_unsound(config)
    config, pretrained = pretrained_for(config)
    rank = distributed.rank_of(config)
    if config["skip_finished"] and (done := _finished(config, rank)):
        return done
    pl.seed_everything(config["seed"], verbose=False)
    cuda = accelerator_of(config) == "cuda"
    precision = precision_of(config["trainer"]["precision"], cuda)
    if not cuda:
        heap.ready()
    composed = compose(config, open_config(config["data"]), cuda, pretrained)
    wandb = wandb_of(config)
    ranks = count_ranks(config)
    distributed.refuse(ranks, composed.data.batch_size, config["unfreeze_every"], config["trainer"]["num_nodes"])
    if config["compile"] == "auto" and distributed.norms_synced(config, ranks, cuda):
        composed.classifier.compile_step = False  # each such norm breaks the graph, and the pieces are slower than none
    refuse_arguments(config, precision, ranks)
    facts = RunFacts.of(config, composed, precision, source_of(config["weights"], pretrained))
    if config["trainer"]["fast_dev_run"]:
        _fit(config, composed, facts, Place(Path(config["outputs"]) / config["name"]), [], ranks)
        return None
    with run_directory(config, rank, facts, exact=not cuda) as place:
        if rank:
            return directory.load(_fit(config, composed, facts, place, [], ranks))
        log.info("run %s: augmentation %s; %s", place.path, facts.augmentation, facts.learns)
        with _recorded(place, facts, composed, config, wandb) as loggers:
            sweep_record.note(run=str(place.path))
            _fit(config, composed, facts, place, loggers, ranks)
        return directory.load(place.path)


def _finished(config: Config, rank: int) -> directory.Run | None:
    if done := finished_run(config):
        log.info("finished already: %s", done.path)
        if not rank:
            sweep_record.note(run=str(done.path), status="skipped")
        return done
    if reason := why_anew(config):
        log.info("%s", reason)
    return None


@contextlib.contextmanager
def _recorded(place: Place, facts: RunFacts, composed: Composed, config: Config, wandb: str) -> Iterator[list[Logger]]:
    """Keep a run's loggers open and its run.json at `running`; at the end both get the result, whatever it is."""
    started = time.monotonic()
    facts.continued = place.continued or None
    facts.write(place.path)
    loggers: list[Logger] = []
    try:
        loggers += loggers_of(place.path, config, wandb)
        yield loggers
        facts.status = "finished"
    except BaseException as error:
        facts.status, facts.error = "failed", sweep_record.one_line(error)
        raise
    finally:
        facts.seconds = round(place.seconds + time.monotonic() - started, 1)
        failed = facts.status == "failed"
        try:
            with contextlib.suppress(FerlabError) if failed else contextlib.nullcontext():  # the first error counts
                facts.write(place.path)
        finally:
            finish_wandb(loggers, composed.classifier, composed.data, place.path, facts)


def _fit(config: Config, composed: Composed, facts: RunFacts, place: Place, loggers: list[Logger], ranks: int) -> Path:
    """Train, note in `facts` what was reached, and return the run directory, which rank zero has made."""
    best, last = checkpointing(place.path, config, place.seconds)
    stopping = Stopping(place.path)
    trainer = None
    try:
        with stopping.listening(), hinting(config["batch_size"]), all_ranks(ranks):
            trainer = trainer_of(config, facts.precision, place.path, [stopping, best, last], loggers, ranks)
            trainer.fit(composed.classifier, composed.data, ckpt_path=place.checkpoint, weights_only=True)
        if config["trainer"]["fast_dev_run"]:
            return place.path
        if best.best_model_score is None:
            raise FerlabError(
                f"the training ended after {trainer.global_step} steps without a validation, so {place.path} has no "
                "best weights; leave out what ends it so early, as trainer.max_steps or trainer.max_time"
            )
        facts.best_epoch = checkpoints.load(best.best_model_path)["epoch"]
    finally:
        if trainer and best.best_model_score is not None:
            facts.val_accuracy, facts.epochs = float(best.best_model_score), trainer.current_epoch
    return Path(best.dirpath or place.path / directory.CHECKPOINTS).parent  # rank zero's, which Lightning sends to all
