"""Lightning's Trainer for a config: device, precision, checkpoints, callbacks, and ends that are reported."""

import contextlib
import inspect
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.loggers import Logger
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from ferlab.config import Config
from ferlab.errors import FerlabError, in_a_line, nearest
from ferlab.runs import checkpoints, directory
from ferlab.training import distributed, durable_checkpoints, progress
from ferlab.training.ema import WeightEma

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")


class Unprofiled(PassThroughProfiler):
    """Lightning's own opens a generator some 55 times a step, to do nothing in it."""

    _nothing = contextlib.nullcontext()

    def profile(self, action_name: str) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        return self._nothing


def refuse_unsound(config: Config) -> None:
    """Refuse keys that together do something else than each of them says.

    Raises:
        FerlabError: with what to type.
    """
    wanted = config["trainer"]
    if config["sam_rho"] and wanted.get("accumulate_grad_batches", 1) != 1:
        raise FerlabError("sam_rho would double some of the gradients that are accumulated; leave out one of the two")
    if wanted["fast_dev_run"] and config["ckpt"]:
        raise FerlabError("trainer.fast_dev_run is a trial that neither keeps nor continues a run; leave out ckpt")


def count_ranks(config: Config) -> int:
    """Processes that will train one batch together.

    Raises:
        FerlabError: no such strategy, or fewer devices than that.
    """
    wanted, strategy = config["trainer"], config["strategy"]
    if strategy not in distributed.STRATEGIES:
        raise FerlabError(f"strategy is {strategy!r}; choose {', '.join(distributed.STRATEGIES)}")
    if distributed.alone(config):
        return 1
    try:
        probe = pl.Trainer(
            accelerator=wanted["accelerator"],
            devices=wanted["devices"],
            num_nodes=wanted["num_nodes"],
            strategy=strategy,
            plugins=[distributed.environment()],
            logger=False,
            enable_checkpointing=False,
        )
    except (MisconfigurationException, TypeError, ValueError) as error:
        raise FerlabError(f"trainer.devices is {wanted['devices']!r}: {in_a_line(error)}") from error
    return probe.world_size


def trainer_of(
    config: Config, precision: str, path: Path, own: list[Callback], loggers: list[Logger], ranks: int = 1
) -> pl.Trainer:
    callbacks = [*callbacks_of(config), *own]
    bar = any(isinstance(callback, progress.Bar) for callback in callbacks)
    return pl.Trainer(
        **{"profiler": Unprofiled(), **config["trainer"], "precision": precision, "enable_progress_bar": bar},
        callbacks=callbacks,
        logger=loggers,
        strategy=distributed.strategy_of(config["strategy"], ranks, config["trainer"]["num_nodes"]),
        sync_batchnorm=distributed.norms_synced(config, ranks, accelerator_of(config) == "cuda"),
        plugins=[durable_checkpoints.DurableCheckpointIO(), distributed.environment()],
        default_root_dir=path,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        use_distributed_sampler=False,  # the data module gives each rank its share
    )


def refuse_arguments(config: Config, precision: str, ranks: int = 1) -> None:
    """Refuse what Lightning's Trainer refuses, before there is a run directory.

    Raises:
        FerlabError: a key that it does not take, or that ferlab gives it; a value that it does not take.
    """
    known = inspect.signature(pl.Trainer).parameters
    if unknown := [key for key in config["trainer"] if key not in known]:
        near = nearest(unknown[0], known)
        raise FerlabError(
            f"nothing reads trainer.{unknown[0]}; " + (f"did you mean trainer.{near}?" if near else "leave it out")
        )
    try:
        trainer_of(config, precision, Path(config["outputs"]), [], [], ranks)
    except (MisconfigurationException, ValueError, TypeError) as error:
        raise FerlabError(f"trainer: {in_a_line(error)}") from error


def accelerator_of(config: Config) -> str:
    wanted = config["trainer"]["accelerator"]
    if wanted in ("gpu", "cuda") and not torch.cuda.is_available():
        raise FerlabError(f"trainer.accelerator is {wanted!r}, but no GPU is there; use trainer.accelerator=cpu")
    return "cuda" if wanted in ("auto", "gpu", "cuda") and torch.cuda.is_available() else wanted


def precision_of(wanted: str, cuda: bool) -> str:
    """What Lightning computes in; the weights and the validation are float32 in each of these.

    Raises:
        FerlabError: another precision, whose weights would be validated otherwise than they are evaluated.
    """
    if wanted not in PRECISIONS:
        raise FerlabError(f"trainer.precision is {wanted!r}; choose {', '.join(PRECISIONS)}")
    if wanted != "auto":
        return wanted
    # A torch without oneDNN, as macOS has it on ARM, lacks the question too.
    fast = torch.cuda.is_bf16_supported if cuda else getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", bool)
    return "bf16-mixed" if fast() else "32-true"


def checkpointing(path: Path, config: Config, seconds: float) -> tuple[ModelCheckpoint, ModelCheckpoint]:
    folder = path / directory.CHECKPOINTS
    best = ModelCheckpoint(
        folder,
        Path(checkpoints.BEST).stem,
        monitor="val/accuracy",
        mode="max",
        enable_version_counter=False,
    )
    last = durable_checkpoints.LastCheckpoint(
        folder,
        Path(checkpoints.LAST).stem,
        every_n_epochs=config["save_every"],
        save_on_train_epoch_end=True,
        save_on_exception=True,
        enable_version_counter=False,
        seconds=seconds,
    )
    return best, last


class EarlyStopping(pl.callbacks.EarlyStopping):  # of the same name, by which checkpoints keep its state
    """Lightning's, for a run that was killed between its early end and the end of its record."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


def callbacks_of(config: Config) -> list[Callback]:
    callbacks = [progress.of(config["trainer"]["enable_progress_bar"]), progress.Estimate()]
    ema = WeightEma(config["ema_decay"]) if config["ema_decay"] else None
    if ema:
        callbacks.append(ema)
    if not distributed.alone(config):
        callbacks.append(distributed.Together(ema))
    if config["early_stopping"]:
        callbacks.append(EarlyStopping("val/accuracy", mode="max", patience=config["early_stopping"]))
    return callbacks


@contextlib.contextmanager
def hinting(batch_size: int) -> Iterator[None]:
    """Errors of torch and Lightning that the user can mend become a FerlabError."""
    try:
        yield
    except (MisconfigurationException, ValueError) as error:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        if not frame.f_globals.get("__name__", "").startswith("pytorch_lightning."):
            raise
        raise FerlabError(f"trainer: {in_a_line(error)}") from error
    except RuntimeError as error:  # torch.OutOfMemoryError is one; the CPU's allocator has no class of its own
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            hint = f"out of memory with batch_size={batch_size}; try batch_size={max(2, batch_size // 2)}"
            raise FerlabError(hint) from error
        raise
