"""Inputs of `python -m ferlab.predict` in, predictions and annotated files out: one that fails stops no other."""

import contextlib
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ferlab.errors import FerlabError
from ferlab.files import shown
from ferlab.inference.affect_plot import AffectPlot
from ferlab.inference.annotate import AnnotatedFolder, annotated
from ferlab.inference.inputs import counted, find, is_video, kinds_of, read
from ferlab.inference.prediction_files import Predictions
from ferlab.inference.predictor import Predictor
from ferlab.inference.results import UNCERTAIN, Face
from ferlab.inference.stopping import Stopped, stoppable
from ferlab.inference.tracks import TIME_CONSTANT_S
from ferlab.inference.video import Video, VideoFile


@dataclass
class Session:
    """Predictions for everything that one command was given.

    Attributes:
        predictor: what predicts.
        out: where the predictions go.
        drawings: where annotated pictures and videos go; None for none.
        time_constant_s: of the smoothing in videos.
        everyone: search a video's frames as pictures, for small and turned faces too.
        seconds: after which a webcam ends; None for no end.
        plot: of valence and arousal over the time of videos; None for none.
        failures: inputs that could not be read, each with the reason.
    """

    predictor: Predictor
    out: Predictions
    drawings: AnnotatedFolder | None = None
    time_constant_s: float = TIME_CONSTANT_S
    everyone: bool = False
    seconds: float | None = None
    plot: AffectPlot | None = None
    failures: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.console = Console(stderr=True)
        self.pictures = self.faces = self.uncertain = self.without = 0
        self.left_out: list[Path] = []
        self.stopped: signal.Signals | None = None

    def run(self, typed: Sequence[str], webcam: int | None = None) -> int:
        """Predict for files, folders, patterns and a webcam, and print a summary on stderr.

        Returns: the exit status: 128 and the number of a signal that ended it (130 of Ctrl-C, 143 of SIGTERM), but for
        Ctrl-C with a webcam; else 1 where anything failed; else 0.
        """
        with stoppable() as ignore_signals:
            try:
                self._all(typed, webcam)
                ignore_signals()
            except Stopped as stop:
                if webcam is None or stop.signal != signal.SIGINT:
                    self.stopped = stop.signal
            self._draw_plot()
            with contextlib.suppress(OSError):  # reported above
                self.out.close(self.failures, self.stopped.name if self.stopped else None)
            print(self.summary(), file=sys.stderr)
        return 128 + self.stopped if self.stopped else 1 if self.failures else 0

    def _all(self, typed: Sequence[str], webcam: int | None) -> None:
        try:
            self._predict(typed, webcam)
        except FerlabError as error:  # annotated files that cannot be written
            self._fail(self.drawings.folder if self.drawings else "", error)
        except OSError as error:  # of the results: no room, or a pipe without a reader
            where = self.out.name
            self._fail(where, FerlabError(f"{where} cannot be written ({error.strerror}); stopped"))

    def _draw_plot(self) -> None:
        if self.plot:
            try:
                self.plot.close()
            except FerlabError as error:
                self._fail(self.plot.path, error)

    def summary(self) -> str:
        """Numbers of faces, pictures, failures and of files that were left out, in one line."""
        parts = [f"{counted(self.faces, 'face')} in {counted(self.pictures, 'picture')}"]
        parts += [f"{self.uncertain} uncertain"] if self.uncertain else []
        hint = "larger in the picture, more light, or --no-detect"
        parts += [f"no face in {self.without} ({hint})"] if self.without else []
        parts += [f"{counted(len(self.failures), 'input')} failed"] if self.failures else []
        parts += [words] if (words := kinds_of(self.left_out)) else []
        parts += [f"stopped by {self.stopped.name}: what came after it is missing"] if self.stopped else []
        return "; ".join(parts)

    def _predict(self, typed: Sequence[str], webcam: int | None) -> None:
        paths, missing, self.left_out = find(typed)
        for word, error in missing:
            self._fail(word, error)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            self._images([path for path in paths if not is_video(path)], progress)
            for path in filter(is_video, paths):
                self._video(path, progress)
            if webcam is not None:
                self._video(webcam, progress)

    def _images(self, paths: Sequence[Path], progress: Progress) -> None:
        task = progress.add_task("images", total=len(paths), visible=bool(paths))
        for batch in read(paths):
            good = [(path, image) for path, image in batch if not isinstance(image, FerlabError)]
            for path, error in batch:
                if isinstance(error, FerlabError):
                    self._fail(path, error)
            for (path, image), faces in zip(good, self.predictor.batch([image for _, image in good]), strict=True):
                self._count(faces)
                self.out.add(str(path), image.shape[1::-1], faces)
                if self.drawings:
                    self.drawings.save(path, annotated(image, faces))
            progress.advance(task, len(batch))

    def _video(self, source: Path | int, progress: Progress) -> None:
        file = None
        try:
            video = Video(source)
            task = progress.add_task(shown(Path(video.name).name), total=video.count)
            for frame in self.predictor.video(video, self.time_constant_s, everyone=self.everyone):
                if video.live and self.seconds is not None and frame.time_s >= self.seconds:
                    break
                self._count(frame.faces)
                self.out.add(video.name, frame.image.shape[1::-1], frame.faces, frame.index, frame.time_s)
                if self.plot:
                    self.plot.add(video.name, frame.time_s, frame.faces)
                if self.drawings:
                    drawn = annotated(frame.image, frame.faces)
                    height, width = drawn.shape[:2]
                    place = self.drawings.place
                    file = file or VideoFile(place(Path(video.name), ".mp4"), video.fps, width, height)
                    file.add(drawn, frame.time_s)
                progress.advance(task)
        except FerlabError as error:
            self._fail(source, error)
        finally:
            if file:
                self._end(file)

    def _end(self, file: VideoFile) -> None:
        try:
            file.close()
        except FerlabError as error:
            self._fail(file.path, error)

    def _count(self, faces: Sequence[Face]) -> None:
        self.pictures += 1
        self.faces += len(faces)
        self.without += not faces
        self.uncertain += sum(face.label == UNCERTAIN for face in faces)

    def _fail(self, source: object, error: FerlabError) -> None:
        self.failures.append((shown(source), shown(error)))
        self.console.print(f"ferlab: {shown(error)}", style="red", markup=False, highlight=False, soft_wrap=True)
