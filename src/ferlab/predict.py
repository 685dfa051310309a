"""Expressions of the faces in images, videos and a webcam's picture, by an exported model. Neither torch nor Hydra.

from ferlab.predict import Predictor
faces = Predictor("five_layer.onnx")("photo.jpg")     # [Face(label="happy", confidence=0.93, ...), ...]

python -m ferlab.predict photos/ 'more/*.jpg' clip.mp4 --model five_layer.onnx --out faces.csv --annotated out
python -m ferlab.predict --webcam 0 --model five_layer.onnx
"""

import argparse
import contextlib
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ferlab.errors import FerlabError
from ferlab.images import picture
from ferlab.inference.annotate import annotated
from ferlab.inference.label_orders import LABEL_ORDERS
from ferlab.inference.media import Video, VideoFile, find, is_video
from ferlab.inference.prediction_files import Predictions
from ferlab.inference.predictor import UNCERTAIN, Face, Predictor
from ferlab.inference.tracks import TIME_CONSTANT_S

__all__ = ["Face", "Predictor", "main"]

_AT_A_TIME = 16  # pictures that are read and looked at together
_PIXELS = 60_000_000  # and no more than about so many pixels of them


class _Run:
    """One command: what was typed, and what came of each input."""

    def __init__(self, args: argparse.Namespace):
        self.args, self.console = args, Console(stderr=True)
        self.predictor = Predictor(
            args.model, not args.no_detect, args.min_confidence, args.min_score, args.batch, args.threads
        )
        self.places = _Places(args.annotated) if args.annotated else None
        about = {"model": self.predictor.model.path.name, "sha256": self.predictor.model.sidecar["sha256"]}
        about["min_confidence"] = self.predictor.min_confidence
        self.out = Predictions(args.out, args.label_order, about)
        self.failures: list[tuple[str, str]] = []
        self.pictures = self.faces = self.uncertain = self.without = 0

    def fail(self, source: object, error: Exception) -> None:
        self.failures.append((str(source), str(error)))
        self.console.print(f"ferlab: {error}", style="red", markup=False, highlight=False, soft_wrap=True)

    def note(self, faces: Sequence[Face]) -> None:
        self.pictures += 1
        self.faces += len(faces)
        self.without += not faces
        self.uncertain += sum(face.label == UNCERTAIN for face in faces)

    def images(self, paths: Sequence[Path], progress: Progress) -> None:
        task = progress.add_task("images", total=len(paths), visible=bool(paths))
        for part in _read(paths):
            good = [(path, image) for path, image in part if not isinstance(image, FerlabError)]
            for path, image in part:
                if isinstance(image, FerlabError):
                    self.fail(path, image)
            for (path, image), faces in zip(good, self.predictor.batch([image for _, image in good]), strict=True):
                self.note(faces)
                self.out.add(str(path), image.shape[1::-1], faces)
                if self.places:
                    _save(self.places.of(path, ".jpg"), annotated(image, faces))
            progress.advance(task, len(part))

    def video(self, source: Path | int, progress: Progress) -> None:
        file = None
        try:
            video = Video(source)
            task = progress.add_task(Path(video.name).name, total=video.count)
            for seen in self.predictor.video(video, self.args.smooth_ms / 1000, everyone=self.args.everyone):
                if video.live and self.args.seconds is not None and seen.time_s >= self.args.seconds:
                    break
                self.note(seen.faces)
                self.out.add(video.name, seen.image.shape[1::-1], seen.faces, seen.index, seen.time_s)
                if self.places:
                    drawn = annotated(seen.image, seen.faces)
                    file = file or VideoFile(self.places.of(Path(video.name), ".mp4"), video.fps, *drawn.shape[1::-1])
                    file.add(drawn)
                progress.advance(task)
        except FerlabError as error:
            self.fail(source, error)
        finally:
            if file:
                file.close()

    def summary(self) -> str:
        words = [f"{self.faces} faces in {self.pictures} pictures"]
        words += [f"{self.uncertain} uncertain"] if self.uncertain else []
        words += (
            [f"no face in {self.without} (larger in the picture, more light, or --no-detect)"] if self.without else []
        )
        words += [f"{len(self.failures)} inputs failed"] if self.failures else []
        return "; ".join(words)


class _Places:
    """Names of annotated files in a folder, none twice, and none that an input could have."""

    def __init__(self, folder: Path):
        self.folder, self.taken = folder, set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FerlabError(f"{folder} cannot be made ({error.strerror}); choose another for --annotated") from None

    def of(self, source: Path, suffix: str) -> Path:
        n = 1
        while (name := f"{source.stem}{'' if n == 1 else f'-{n}'}.faces{suffix}") in self.taken:
            n += 1
        self.taken.add(name)
        return self.folder / name


def _save(path: Path, image: np.ndarray) -> None:
    try:
        Image.fromarray(image).save(path, quality=92)
    except OSError as error:
        raise FerlabError(f"{path} cannot be written ({error.strerror or error})") from None


def _read(paths: Sequence[Path]) -> Iterator[list[tuple[Path, np.ndarray | FerlabError]]]:
    """Pictures in lots, read by several threads; a lot ends early when it has many pixels."""

    def one(path: Path) -> np.ndarray | FerlabError:
        try:
            return picture(path)
        except FerlabError as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        each = iter(paths)
        lot: list[tuple[Path, np.ndarray | FerlabError]] = []
        while few := list(islice(each, 4)):
            lot += zip(few, pool.map(one, few), strict=True)
            if len(lot) >= _AT_A_TIME or sum(getattr(image, "size", 0) for _, image in lot) >= 3 * _PIXELS:
                yield lot
                lot = []
        if lot:
            yield lot


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ferlab.predict", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("inputs", nargs="*", help="images, videos, folders, patterns in quotes ('faces/**/*.jpg')")
    add("--webcam", type=int, metavar="INDEX", help="a camera, 0 for the first; ends with Ctrl-C")
    add("--seconds", type=float, help="of the webcam, instead of Ctrl-C")
    add("--model", type=Path, help=".onnx of ferlab.export with its .json beside it (default: the package's own)")
    add("--out", help="faces.csv, faces.json, or - for CSV on stdout (default: a line a face on stdout)")
    add("--annotated", type=Path, metavar="FOLDER", help="write pictures and videos with what was seen drawn on them")
    add("--no-detect", action="store_true", help="each picture is a face, already cut out")
    add("--everyone", action="store_true", help="in videos too look for small faces beside large ones: slower")
    add("--min-confidence", type=float, help="label 'uncertain' below it, 0 to 1 (default: the model's threshold)")
    add("--min-score", type=float, help="of the face detector, 0 to 1 (default: 0.5)")
    add("--label-order", default="fer2013", choices=LABEL_ORDERS, help="order and names of the classes in --out")
    add(
        "--smooth-ms",
        type=float,
        default=1000 * TIME_CONSTANT_S,
        help="time constant in videos, 0 for none (%(default)g)",
    )
    add("--batch", type=int, default=64, help="faces that the model is given at a time (%(default)s)")
    add("--threads", type=int, default=0, help="0 for all cores")
    args = parser.parse_args(words)
    if not args.inputs and args.webcam is None:
        parser.error("expected images, videos, folders or --webcam 0")
    return args


def main(words: Sequence[str] | None = None) -> int:
    """The command; its exit status: 1 where anything failed, 130 where Ctrl-C ended what was not a webcam."""
    args = _arguments(words)
    warnings.filterwarnings("ignore", module="PIL")  # of odd files that it reads all the same
    try:
        run = _Run(args)
    except (FerlabError, OSError) as error:
        print(f"ferlab: {error}", file=sys.stderr)
        return _gave_up(1)
    status, columns = 0, (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        paths, missing = find(args.inputs)
        for word, error in missing:
            run.fail(word, error)
        with Progress(*columns, console=run.console, transient=True, disable=not run.console.is_terminal) as progress:
            run.images([path for path in paths if not is_video(path)], progress)
            for path in filter(is_video, paths):
                run.video(path, progress)
            if args.webcam is not None:
                run.video(args.webcam, progress)
    except FerlabError as error:
        run.fail(args.annotated, error)
    except OSError as error:  # of the results: no room, or a pipe that nobody reads any more
        run.fail(args.out, FerlabError(f"{args.out or 'stdout'} cannot be written ({error.strerror}); stopped"))
    except KeyboardInterrupt:
        status = 0 if args.webcam is not None else 130
    with contextlib.suppress(OSError):  # said above
        run.out.close(run.failures)
    print(run.summary(), file=sys.stderr)
    return _gave_up(1) if run.failures else status


def _gave_up(status: int) -> int:
    """The exit status, after a look at whether stdout can be written: at its very end Python would try and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = None
    return status


if __name__ == "__main__":
    sys.exit(main())
