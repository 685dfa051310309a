"""What is typed as input in, image and video files out, and pictures read by several threads."""

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ferlab.errors import FerlabError
from ferlab.files import shown
from ferlab.images import files_under, picture, suffixes
from ferlab.inference.pictures import local

VIDEOS = {
    *(".mp4", ".m4v", ".mov", ".qt", ".avi", ".divx", ".mkv", ".webm", ".mpg", ".mpeg", ".m2v", ".vob", ".mts"),
    *(".m2ts", ".wmv", ".asf", ".flv", ".f4v", ".3gp", ".3g2", ".ogv", ".mxf", ".dv", ".mjpeg", ".mjpg", ".y4m"),
}
ANNOTATED = ".faces"  # before the suffix of what AnnotatedFolder writes
_KINDS = 5  # of files that were left out, counted by name
_BATCH = 16  # pictures
_PIXELS = 60_000_000  # of a batch, about
_THREADS = 4


class Found(NamedTuple):
    """What was typed, as files.

    Attributes:
        files: images and videos, each once.
        failed: what was not found, with the reason.
        left_out: files of folders and patterns that are of another kind, or that `AnnotatedFolder` wrote.
    """

    files: list[Path]
    failed: list[tuple[str, FerlabError]]
    left_out: list[Path]


def is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEOS


def find(typed: Sequence[str]) -> Found:
    """Files, folders and patterns (`faces/**/*.jpg`) -> image and video files.

    A folder gives what its names say are images and videos. A pattern gives whatever matches, but for files that
    `AnnotatedFolder` wrote; a file that is typed is always taken. Two spellings of a path are one file.
    """
    files: dict[tuple[str, str], Path] = {}
    left_out: dict[tuple[str, str], Path] = {}
    failed = []
    real = cache(os.path.realpath)  # of folders alone: a link to a file may be another input
    for word in typed:
        wanted = _is_input if Path(word).is_dir() else lambda path: not _is_annotated(path)
        try:
            for path in _files(word):
                taken = path == Path(word) or wanted(path)
                (files if taken else left_out).setdefault((real(path.parent), path.name), path)
        except FerlabError as error:
            failed.append((word, error))
    return Found(list(files.values()), failed, [path for key, path in left_out.items() if key not in files])


def kinds_of(left_out: Sequence[Path]) -> str:
    """Files that were left out, counted by kind; empty where there are none."""
    counts = Counter(ANNOTATED if _is_annotated(path) else path.suffix.lower() for path in left_out)
    words = {ANNOTATED: "annotated before", "": "without a suffix"}
    words |= {kind: f"{kind}, which needs pip install 'ferlab[heif]'" for kind in (".heic", ".heif")}
    most = counts.most_common(_KINDS)
    kinds = [f"{n} {words.get(kind, shown(kind))}" for kind, n in most]
    if rest := len(left_out) - sum(n for _, n in most):
        kinds.append(f"{rest} of other kinds")
    return f"left out {counted(len(left_out), 'file')} ({', '.join(kinds)})" if left_out else ""


def counted(n: int, noun: str) -> str:
    """As `1 file` or `2 files`."""
    return f"{n} {noun}{'s' if n != 1 else ''}"


def _is_input(path: Path) -> bool:
    return path.suffix.lower() in suffixes() | VIDEOS and not _is_annotated(path)


def _is_annotated(path: Path) -> bool:
    return path.stem.endswith(ANNOTATED) and path.suffix in (".jpg", ".mp4")


def _files(word: str) -> Sequence[Path]:
    path = local(word)
    if path.is_dir():
        files = list(files_under(path))
        if not any(map(_is_input, files)):
            there = kinds_of(files) or "it is empty"
            raise FerlabError(f"{path} has no images or videos ({there}); expected files such as a.jpg, a.png or a.mp4")
        return files
    if path.is_symlink() or path.exists():
        return [path]
    matches = [Path(match) for match in sorted(glob.glob(word, recursive=True)) if Path(match).is_file()]
    if not matches:
        raise FerlabError(f"{word} is not there; expected a file, a folder or a pattern in quotes, as 'faces/*.jpg'")
    return matches


def read(paths: Sequence[Path]) -> Iterator[list[tuple[Path, np.ndarray | FerlabError]]]:
    """Pictures uint8 [H,W,3] in batches, each with its path; where one cannot be read, the error.

    A batch ends early when it has many pixels.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        each = iter(paths)
        batch: list[tuple[Path, np.ndarray | FerlabError]] = []
        while few := list(islice(each, _THREADS)):
            batch += zip(few, pool.map(_picture, few), strict=True)
            if len(batch) >= _BATCH or sum(getattr(image, "size", 0) for _, image in batch) >= 3 * _PIXELS:
                yield batch
                batch = []
        if batch:
            yield batch


def _picture(path: Path) -> np.ndarray | FerlabError:
    try:
        return picture(path)
    except FerlabError as error:
        return error
