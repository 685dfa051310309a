"""Who holds a run directory is named, and a process that ends lets go."""

import multiprocessing
import os
import platform
from pathlib import Path

import pytest

from ferlab.errors import FerlabError
from ferlab.runs import lock


def hold(run: Path, held, go) -> None:
    with lock.alone(run):
        held.set()
        go.wait()


def test_another_process_is_named_until_it_dies(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_WAIT_S", 0.1)
    context = multiprocessing.get_context("spawn")
    held, go = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, held, go))
    other.start()
    assert held.wait(30)
    named = f"written by process {other.pid} on {platform.node()} since 20"
    with pytest.raises(FerlabError, match=named), lock.alone(tmp_path):
        pass
    other.kill()
    other.join()
    with lock.alone(tmp_path):
        assert str(os.getpid()) in (tmp_path / lock.HOLDER).read_text()
    assert not (tmp_path / lock.HOLDER).exists()
