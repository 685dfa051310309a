"""What is typed as input in, image and video files out, and pictures read by several threads."""

import glob
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np

from ferlab.errors import FerlabError
from ferlab.images import files_under, picture

IMAGES = {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm", ".pbm", ".avif"}
VIDEOS = {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".mjpeg", ".y4m"}
_BATCH = 16  # pictures
_PIXELS = 60_000_000  # of a batch, about
_THREADS = 4


def is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEOS


def find(typed: Sequence[str]) -> tuple[list[Path], list[tuple[str, FerlabError]]]:
    """Files, folders and patterns (`faces/**/*.jpg`) -> image and video files, each once, and what was not found.

    A folder gives what its names say are images and videos; a file is taken whatever its name.
    """
    found: dict[Path, None] = {}
    failed = []
    for word in typed:
        try:
            found.update(dict.fromkeys(_files(word)))
        except FerlabError as error:
            failed.append((word, error))
    return list(found), failed


def _files(word: str) -> list[Path]:
    path = Path(word)
    if path.is_dir():
        files = [file for file in files_under(path) if file.suffix.lower() in IMAGES | VIDEOS]
        if not files:
            raise FerlabError(f"{path} has no images or videos; expected files that end in {', '.join(sorted(IMAGES))}")
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
