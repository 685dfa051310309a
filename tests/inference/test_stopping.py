"""Signals in a process that stops by them."""

import os
import signal
import threading

import pytest

from ferlab.inference.stopping import Stopped, stoppable

KINDS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_signal_is_an_exception_and_no_other_disturbs_what_follows(kind):
    ended = []
    with stoppable():
        try:
            os.kill(os.getpid(), kind)
            ended.append("too late")
        except KeyboardInterrupt as stop:
            for other in KINDS:
                os.kill(os.getpid(), other)
            ended.append(stop.signal)
    assert ended == [kind]


def test_an_end_without_a_signal_is_not_disturbed_either():
    with stoppable() as ignore:
        ignore()
        os.kill(os.getpid(), signal.SIGTERM)


def test_what_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stoppable():
        os.kill(os.getpid(), signal.SIGHUP)
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGTERM)
    signal.signal(signal.SIGHUP, before)


def test_in_another_thread_nothing_is_changed():
    found = []

    def work():
        with stoppable() as ignore:
            ignore()
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]
