"""Video files and webcams in, frames out; and frames in, a video file out."""

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ferlab.errors import FerlabError
from ferlab.files import shown
from ferlab.inference.pictures import local

# Both libraries under OpenCV report every damaged packet on stderr; this is read when a video is opened.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"  # how FFmpeg opens; OpenCV has no argument for it
# A video is one file: playlists and lists of other files, which FFmpeg would follow, are none whatever they are called.
_ONE_FILE = (
    "protocol_whitelist;file|format_whitelist;mov,mp4,matroska,webm,avi,mpeg,mpegts,mpegvideo,asf,flv,ogg,mxf,dv,rm,"
    "nut,ivf,obu,m4v,h263,h264,hevc,vc1,mjpeg,smjpeg,yuv4mpegpipe"
)
_EDITS = "|ignore_editlist;1"  # with the frames that the file itself hides, as those before a trimmed start
_WHOLE = 0.9  # of the header's number of frames, which is an estimate in some containers
_TRIES = 30  # attempts in a row after which a webcam without a frame is given up
_DAMAGED = 300  # frames in a row that cannot be read, after which a file has ended
_FASTEST = 240.0  # frames a second of a file that is written
_LONGEST_S = 60  # that a frame stands in it; a damaged time would fill the disk
_opening = threading.Lock()


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
        FerlabError: it is an address, or cannot be opened. After its frames: it has none, some could not be read, it
            ends before its time or was unplugged.
    """

    def __init__(self, source: str | os.PathLike[str] | int):
        self.live = isinstance(source, int)
        self.name = f"webcam {source}" if isinstance(source, int) else str(local(source))
        with _quiet():
            self._capture = cv2.VideoCapture(source) if isinstance(source, int) else _opened(Path(self.name))
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
        started, index, lost, last = time.monotonic(), 0, 0, -1.0
        try:
            for image, missed in self._images():
                lost += missed
                index += missed
                now = time.monotonic() - started if self.live else self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                # Some containers give no times, or the same one twice.
                last = next(t for t in (now, index / self.fps, last + 1 / self.fps) if t > last)
                yield Frame(index, last, image)
                index += 1
        finally:
            self._capture.release()
        if error := self._incomplete(index, lost, last):
            raise FerlabError(f"{self.name} {error}")

    def _images(self) -> Iterator[tuple[np.ndarray, int]]:
        """Images uint8 [H,W,3] RGB, each with the number of frames before it that could not be read."""
        missed, most = 0, _TRIES if self.live else _DAMAGED
        while missed < most:
            with _quiet():
                good, image = self._capture.read()
            if good:
                yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB), 0 if self.live else missed
                missed = 0
            else:
                missed += 1
                if self.live:
                    time.sleep(0.02)

    def _incomplete(self, index: int, lost: int, last_s: float) -> str | None:
        """What is missing of a video with `index` frames, of which `lost` could not be read, the last at `last_s`."""
        if self.live:
            return f"gives no more frames after {index}; is it still plugged in?"
        if not index:
            return "has no frame that can be read; it is damaged: convert or replace it"
        if lost:
            total = max(self.count or 0, index)
            return f"has {lost} of {total} frames that cannot be read; it is damaged: results of the others are kept"
        if not self.count or index >= self.count * _WHOLE or last_s + 1 / self.fps >= self.count / self.fps * _WHOLE:
            return None  # at a variable rate the header's number may be a guess, and only the time is right
        with _quiet():
            whole = _opened(Path(self.name), _EDITS)
            if sum(1 for _ in iter(whole.grab, False)) >= self.count * _WHOLE:
                return None  # trimmed: an edit list hides the rest
        end = f"ends after {index} of {self.count} frames"
        return f"{end}; it is damaged or cut short: results of the frames before are kept"


def _opened(path: Path, more: str = "") -> cv2.VideoCapture:
    with _spelt(path) as name, _opening:
        before = os.environ.get(_OPTIONS)
        os.environ[_OPTIONS] = _ONE_FILE + more
        try:
            return cv2.VideoCapture(name, cv2.CAP_FFMPEG)
        finally:
            if before is None:
                del os.environ[_OPTIONS]
            else:
                os.environ[_OPTIONS] = before


@contextlib.contextmanager
def _spelt(path: Path) -> Iterator[str]:
    """A spelling of a path for OpenCV, which crashes on bytes that are no UTF-8 and takes `x:` for a protocol."""
    path = path.absolute()
    if shown(path) == str(path):
        yield str(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, f"video{shown(path.suffix)}")
        link.symlink_to(path)
        yield str(link)


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

    The file has a constant rate of at most 240 frames a second. A frame is repeated until the next one's time, and left
    out where that comes too soon, so that a video of a variable rate plays at its own times.

    Raises:
        FerlabError: it cannot be written.
    """

    def __init__(self, path: Path, fps: float, width: int, height: int):
        self.path, self.fps = path, min(fps, _FASTEST)
        self._waiting: tuple[float, np.ndarray] | None = None  # time and image of the next frame
        self._count = 0  # of frames written
        self._behind = 0.0  # frames that were written too few or too many until now, below one
        with _quiet(), _spelt(path) as name:
            self._writer = cv2.VideoWriter(name, cv2.VideoWriter.fourcc(*"mp4v"), self.fps, (width, height))
        if not self._writer.isOpened():
            raise FerlabError(f"{path} cannot be written; check the folder, and that OpenCV was built with FFmpeg")

    def add(self, image: np.ndarray, time_s: float | None = None) -> None:
        """Add a frame that is shown from `time_s` on; None for one frame's time after the one before."""
        before = self._waiting
        if time_s is None:
            time_s = 0.0 if before is None else before[0] + 1 / self.fps
        if before is not None:
            self._write(before[1], time_s - before[0])
        self._waiting = time_s, cv2.cvtColor(image, cv2.COLOR_RGB2BGR)

    def _write(self, image: np.ndarray, seconds: float) -> None:
        frames = min(max(seconds, 0), _LONGEST_S) * self.fps + self._behind
        with _quiet():  # a full disk is found out at the end
            for _ in range(round(frames)):
                self._writer.write(image)
        self._count += round(frames)
        self._behind = frames - round(frames)

    def close(self) -> None:
        """End the file.

        Raises:
            FerlabError: it lacks frames, since the disk is full.
        """
        if self._waiting is not None:
            self._write(self._waiting[1], (1 - self._behind) / self.fps)  # the last one stands for one frame
            self._waiting = None
        with _quiet():
            self._writer.release()
            whole = _opened(self.path).get(cv2.CAP_PROP_FRAME_COUNT) == self._count
        if not whole:
            raise FerlabError(f"{self.path} was not written whole; free some space")
