"""A process that dies, in this one: before each change that it makes to a folder, in turn."""

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate")  # audit events


class Died(BaseException):
    """What a dead process does not catch: from here on each further change raises it again."""


class _Death:
    folder: str | None = None
    left = 0  # changes until it


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _Death.folder is None or event not in ("open", *_CHANGES):
        return
    if event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        return
    within = event in ("os.remove", "os.rmdir") and args[1] != -1  # relative to a folder that is open: shutil.rmtree
    if within or str(args[0]).startswith(_Death.folder):
        _Death.left -= 1
        if _Death.left < 0:
            raise Died


sys.addaudithook(_hook)


def deaths(folder_of: Callable[[int], Path], work: Callable[[Path], object]) -> Iterator[Path]:
    """Folders as `work` leaves them when the process dies before its first change, its second, ... and at its end.

    Args:
        folder_of: makes the folder of a number, as it is before the work.
    """
    for n in itertools.count():
        folder = folder_of(n)
        _Death.folder, _Death.left = str(folder), n
        try:
            work(folder)
        except Died:
            pass
        else:
            assert n, "the work changed nothing"
            return
        finally:
            _Death.folder = None
        yield folder
