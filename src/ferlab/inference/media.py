"""What is typed as input, as files; videos and webcams as frames; and frames as a video. All OpenCV video is here."""

import contextlib
import glob
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ferlab.errors import FerlabError
from ferlab.images import files_under

# Both libraries under OpenCV write to stderr of every damaged packet; read when a video is opened.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


IMAGES = {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm", ".pbm", ".avif"}
VIDEOS = {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".mjpeg", ".y4m"}
_WHOLE = 0.9  # of the frames that a video's header promises; it is an estimate in some containers
_TRIES = 30  # frames in a row that a webcam may owe


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


class Frame(NamedTuple):
    """index from 0, time_s from the start, image uint8 [H,W,3] RGB."""

    index: int
    time_s: float
    image: np.ndarray


class Video:
    """A video file (a path) or a webcam (its number), as frames.

    Attributes:
        name: the path, or `webcam 0`.
        live: whether it is a webcam.
        fps: frames a second as its header says, 30 where it says none.
        count: frames that its header promises, None where it does not.

    Raises:
        FerlabError: it cannot be opened. While frames are read: it has none, ends before its time or was unplugged.
    """

    def __init__(self, source: str | Path | int):
        self.live = isinstance(source, int)
        self.name = f"webcam {source}" if self.live else str(source)
        with _quiet():
            self._capture = cv2.VideoCapture(source if self.live else self.name)
        if not self._capture.isOpened():
            if self.live:
                raise FerlabError(f"{self.name} cannot be opened; plug it in, close what else uses it, or try another")
            raise FerlabError(f"{self.name} is no readable video; {self._why()}")
        fps, count = (self._capture.get(key) for key in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
        self.fps = fps if 0 < fps <= 1000 else 30.0
        self.count = int(count) if not self.live and 0 < count < 1e9 else None

    def _why(self) -> str:
        try:
            size = Path(self.name).stat().st_size
            with open(self.name, "rb"):
                pass
        except OSError as error:
            return f"{error.strerror}"
        return "it is empty" if not size else "it is damaged, or of a kind that OpenCV does not know: convert it to mp4"

    def __iter__(self) -> Iterator[Frame]:
        started, index, owed, last = time.monotonic(), 0, 0, -1.0
        try:
            while True:
                with _quiet():
                    good, image = self._capture.read()
                if not good:
                    owed += 1
                    if not self.live or owed >= _TRIES:
                        break
                    time.sleep(0.02)
                    continue
                owed = 0
                now = time.monotonic() - started if self.live else self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                # Some containers give no times, or the same one twice.
                last = next(t for t in (now, index / self.fps, last + 1 / self.fps) if t > last)
                yield Frame(index, last, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
                index += 1
        finally:
            self._capture.release()
        if self.live:
            raise FerlabError(f"{self.name} gives no more frames after {index}; is it still plugged in?")
        if not index:
            raise FerlabError(f"{self.name} has no frame that can be read; it is damaged: convert or replace it")
        if self.count and index < self.count * _WHOLE:
            raise FerlabError(
                f"{self.name} ends after {index} of {self.count} frames; it is damaged or cut short: results of the "
                "frames before are kept"
            )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV's own warnings held back; what they mean is said as an error."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)


class VideoFile:
    """An mp4 that frames uint8 [H,W,3] RGB of one size are added to.

    Raises:
        FerlabError: it cannot be written.
    """

    def __init__(self, path: Path, fps: float, width: int, height: int):
        self.path = path
        with _quiet():
            self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
        if not self._writer.isOpened():
            raise FerlabError(f"{path} cannot be written; check the folder, and that OpenCV was built with FFmpeg")

    def add(self, image: np.ndarray) -> None:
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        self._writer.release()
