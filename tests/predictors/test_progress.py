"""Bars on a terminal, lines elsewhere, of tasks inside each other."""

import io
import logging
import threading

import pytest
from rich.console import Console

from ferlab.predictors import progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds, which a test sets."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def terminal(monkeypatch):
    """What is drawn on stderr, a terminal of 80 columns."""
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=True, width=80)
    monkeypatch.setattr(progress, "Console", lambda stderr: console)
    return drawn


def test_a_file_gets_a_line_every_30_seconds_that_names_all_tasks(clock, caplog):
    caplog.set_level(logging.INFO)
    for _ in progress.track(["a", "b"], "runs"):
        for _ in progress.track(range(4), "batches"):
            clock[0] += 20
    assert caplog.messages == [
        "runs 0 of 2, batches 2 of 4; 40 s",
        "runs 0 of 2, batches 4 of 4; 80 s",
        "runs 1 of 2, batches 2 of 4; 2 min",
        "runs 1 of 2, batches 4 of 4; 3 min",
    ]
    caplog.clear()
    assert list(progress.track(range(3), "batches")) == [0, 1, 2]  # quick: no line
    assert list(progress.track([7], "one")) == [7]
    assert caplog.messages == []


def test_a_terminal_gets_bars_and_no_line(clock, terminal, caplog):
    caplog.set_level(logging.INFO)
    for _ in progress.track(["a", "b"], "runs"):
        with progress.running("faces", 1000) as advance:
            clock[0] += 40
            advance(500)
    assert caplog.messages == []
    for shown in ("runs", "0/2", "1/2", "faces", "500/1000"):
        assert shown in terminal.getvalue()


def test_what_is_quick_draws_nothing(clock, terminal):
    assert list(progress.track(range(3), "batches")) == [0, 1, 2]
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_ends_the_display(clock, terminal, error):
    def work():
        for _ in progress.track(range(10), "faces"):
            clock[0] += 5
            if progress._display.bars:
                raise error

    with pytest.raises(error):
        work()
    assert progress._display.tasks == []
    assert progress._display.bars is None


def test_other_threads_show_nothing(clock, caplog):
    caplog.set_level(logging.INFO)

    def work():
        for _ in progress.track(range(3), "batches"):
            clock[0] += 100

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (89.4, "89 s"), (90, "2 min"), (5000, "83 min"), (12000, "3 h 20 min")]
)
def test_durations(seconds, words):
    assert progress.duration(seconds) == words
