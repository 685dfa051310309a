"""Signals that ask a prediction to stop in, one exception out, after which its files are ended undisturbed."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_KINDS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """A signal has asked to stop: `signal` is Ctrl-C's SIGINT, SIGTERM (timeout, Slurm, Docker) or SIGHUP."""

    def __init__(self, number: int):
        super().__init__()
        self.signal = signal.Signals(number)


@contextlib.contextmanager
def stoppable() -> Iterator[Callable[[], None]]:
    """Where the first of these signals raises `Stopped`; those after it are ignored, so that files can be ended.

    Gives what makes all of them ignored: to be called before files are ended without a signal. What nohup ignores stays
    ignored. In other threads than the main one Python takes no signals, and nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    before = {kind: handler for kind in _KINDS if (handler := signal.getsignal(kind)) not in (signal.SIG_IGN, None)}

    def ignore() -> None:
        for kind in before:
            signal.signal(kind, signal.SIG_IGN)

    def stop(number: int, frame: FrameType | None) -> None:
        ignore()
        raise Stopped(number)

    try:
        for kind in before:
            signal.signal(kind, stop)
        yield ignore
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
