"""How far a long computation is: a bar on a terminal, elsewhere a line in the log every 30 seconds."""

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

log = logging.getLogger(__name__)

EVERY_S = 30.0  # from a line to the next
AFTER_S = 1.0  # what is shorter has no bar

T = TypeVar("T")


@dataclass
class _Task:
    what: str
    total: int
    done: int = 0
    bar: TaskID | None = None


@dataclass
class _Display:
    """The tasks that run, each inside the one before it."""

    tasks: list[_Task] = field(default_factory=list)
    bars: Progress | None = None
    started: float = 0.0
    line: float = 0.0  # when the last one was written

    def begin(self, task: _Task) -> None:
        if not self.tasks:
            self.started = self.line = time.monotonic()
        self.tasks.append(task)

    def advance(self, task: _Task, steps: int) -> None:
        task.done += steps
        now, console = time.monotonic(), Console(stderr=True)
        if console.is_terminal:
            if now - self.started >= AFTER_S:
                self._draw(console)
        elif now - self.line >= EVERY_S:
            self.line = now
            parts = (f"{task.what} {task.done:,} of {task.total:,}" for task in self.tasks)
            log.info("%s; %s", ", ".join(parts), duration(now - self.started))

    def _draw(self, console: Console) -> None:
        if self.bars is None:
            columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
            # What goes to a file that stdout is must not be drawn here.
            self.bars = Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())
            self.bars.start()
        for task in self.tasks:
            if task.bar is None:
                task.bar = self.bars.add_task(task.what, total=task.total, completed=task.done)
            self.bars.update(task.bar, completed=task.done)

    def end(self, task: _Task) -> None:
        self.tasks.remove(task)
        if self.bars and task.bar is not None:
            self.bars.remove_task(task.bar)
        if self.bars and not self.tasks:
            self.bars.stop()
            self.bars = None


_display = _Display()


@contextlib.contextmanager
def running(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Gives the function that is called with the number of steps that are done, of `total`, while `what` runs."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda steps: None
        return
    task = _Task(what, total)
    _display.begin(task)
    try:
        yield lambda steps: _display.advance(task, steps)
    finally:
        _display.end(task)


def track(items: Sequence[T], what: str) -> Iterator[T]:
    """The items, one after another; each is done when the next is asked for. One alone has no steps to show."""
    if len(items) == 1:
        yield items[0]
        return
    with running(what, len(items)) as advance:
        for item in items:
            yield item
            advance(1)


def duration(seconds: float) -> str:
    """As a reader says it: 40 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
