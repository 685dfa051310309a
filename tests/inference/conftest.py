"""Signals as on a terminal: a process that is started by nohup or in the background ignores some of them."""

import signal

import pytest


@pytest.fixture(autouse=True)
def signals_are_listened_to():
    kinds = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {kind: signal.signal(kind, handler) for kind, handler in kinds.items()}
    yield
    assert {kind: signal.getsignal(kind) for kind in kinds} == kinds  # whatever a test did
    for kind, handler in before.items():
        signal.signal(kind, handler)
