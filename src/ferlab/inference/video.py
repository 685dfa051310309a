"""Video files and webcams in, frames out; and frames in, a video file out."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ferlab.errors import FerlabError

# Both libraries under OpenCV report every damaged packet on stderr; this is read when a video is opened.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


_WHOLE = 0.9  # of the header's number of frames, which is an estimate in some containers
_TRIES = 30  # attempts in a row after which a webcam without a frame is given up


@dataclass(frozen=True)
class Frame:
    """A picture of a video: index from 0, time_s from the start, image uint8 [H,W,3] RGB."""

    index: int
    time_s: float
    image: np.ndarray


class Video:
    """A video file (a path) or a webcam (its number), as frames.

    Attributes:
        name: the path, or `webcam 0`.
        live: whether it is a webcam.
        fps: frames a second by its header, 30 where that has none.
        count: number of frames by its header, None where that has none.

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
        started, index, missed, last = time.monotonic(), 0, 0, -1.0
        try:
            while True:
                with _quiet():
                    good, image = self._capture.read()
                if not good:
                    missed += 1
                    if not self.live or missed >= _TRIES:
                        break
                    time.sleep(0.02)
                    continue
                missed = 0
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
    """Hold OpenCV's own warnings back: what they mean becomes an error."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)


class VideoFile:
    """An mp4 file; frames uint8 [H,W,3] RGB of one size are added to it.

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
