"""SIGTERM and Ctrl-C end a training between two steps, where what is saved continues to the same weights."""

import contextlib
import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.exceptions import SIGTERMException

from ferlab.runs import checkpoints, directory
from ferlab.training.distributed import Word

log = logging.getLogger(__name__)

_SIGNALS: dict[int, str] = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C"}
_EVERY = 8  # steps between two words of rank zero, each of which is read when the next is sent


class Stopped(SystemExit):
    """Ends the process with status 128 + the signal's `number`; as a text, how the run ended."""

    def __init__(self, number: int):
        super().__init__(128 + number)
        self._name = _SIGNALS[number]

    def __str__(self) -> str:
        return f"ferlab: stopped by {self._name}"


class Stopping(pl.Callback):
    """Keeps a signal until no step is half done; with several ranks all of them stop at rank zero's signal.

    Lightning's own handlers save within a step or within a validation, end without a word at Ctrl-C, and talk to the
    other ranks whatever these are doing. Its loop asks for a signal in every step, for which the host waits for a GPU.

    Args:
        run: the run's directory.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._signal = 0
        self._rank = 0
        self._steps = 0
        self._word: Word | None = None  # of several ranks

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Keep signals from here on; before, and after, they do what they did.

        Raises:
            Stopped: after a line that says what to type.
        """
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        self._listen()
        try:
            yield
        except SIGTERMException:
            saved = (self._run / directory.CHECKPOINTS / checkpoints.LAST).exists()
            hint = f"with ckpt=last to continue {self._run}" if saved else "again: no step was done"
            if not self._rank:
                log.error("stopped by %s; run the same command %s", _SIGNALS[self._signal], hint)
            raise Stopped(self._signal) from None
        finally:
            with contextlib.suppress(ValueError):
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _listen(self) -> None:
        with contextlib.suppress(ValueError):  # not the main thread, which alone gets signals
            for number in _SIGNALS:
                signal.signal(number, self._keep)

    def _keep(self, number: int, frame: Any) -> None:
        if self._signal and number == signal.SIGINT:  # typed twice
            log.error("ended within a step; ckpt=last continues from the last epoch that is saved")
            raise Stopped(number)
        self._signal = 0 if self._rank else number  # rank zero decides

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Keep Lightning from listening and from telling the other ranks."""
        trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
        self._rank = trainer.global_rank
        self._listen()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._word = Word(trainer.strategy.root_device) if trainer.world_size > 1 else None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Raise on all ranks what rank zero has got; gradients that are still accumulated would be lost."""
        if batch_idx % trainer.accumulate_grad_batches:
            return
        if self._word is None:
            self._stop(self._signal)
        elif self._steps % _EVERY == 0:
            self._stop(self._word.received())
            self._word.send(self._signal)
        self._steps += 1

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """What came in the last validation ends the command too, and with it a sweep's other jobs."""
        if self._word is None:
            self._stop(self._signal)
        else:
            self._word.send(self._signal)
            self._stop(self._word.received())

    def _stop(self, number: int) -> None:
        if number:
            self._signal = number
            raise SIGTERMException
