"""`python -m ferlab.predict`: expressions of the faces in images, videos and a webcam's picture. It needs no torch.

from ferlab import Predictor
faces = Predictor()("photo.jpg")                 # [Face(label="happy", confidence=0.93, ...), ...]

python -m ferlab.predict photos/ 'more/*.jpg' clip.mp4 --model five_layer.onnx --out faces.csv --annotated out
python -m ferlab.predict --webcam 0 --model accurate
python -m ferlab.predict --list
"""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from ferlab.commandline import escape_output
from ferlab.errors import FerlabError
from ferlab.files import shown
from ferlab.inference import catalogue
from ferlab.inference.affect_plot import AffectPlot
from ferlab.inference.annotate import AnnotatedFolder
from ferlab.inference.label_orders import LABEL_ORDERS
from ferlab.inference.onnx_model import THREADS
from ferlab.inference.predicting import Session
from ferlab.inference.prediction_files import Predictions
from ferlab.inference.predictor import Predictor
from ferlab.inference.priors import typed
from ferlab.inference.results import Face
from ferlab.inference.tracks import TIME_CONSTANT_S

# What lies beyond is a slip; the predictor checks the other numbers.
_MOST = {"smooth_ms": 60_000, "seconds": 10_000_000, "threads": 1024, "webcam": 1000, "batch": 1_000_000}

__all__ = ["Face", "Predictor", "main"]


def _path(word: str) -> Path:
    return Path(word).expanduser()  # no shell expands --out=~/x


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ferlab.predict", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    smooth_ms = 1000 * TIME_CONSTANT_S
    add("inputs", nargs="*", help="images, videos, folders, patterns in quotes ('faces/**/*.jpg')")
    add("--webcam", type=int, metavar="INDEX", help="a camera, 0 for the first; ends with Ctrl-C")
    add("--seconds", type=float, help="of the webcam, instead of Ctrl-C")
    add(
        "--model",
        type=_path,
        help=".onnx of ferlab.export with its .json beside it, or a name of --list (default: five_layer_world)",
    )
    add("--list", action="store_true", help="print the models at hand: size, accuracy, speed; predict nothing")
    out = "faces.csv, faces.json, or - for CSV on stdout (default: a line a face on stdout)"
    add("--out", type=os.path.expanduser, help=out)
    add("--annotated", type=_path, metavar="FOLDER", help="write pictures and videos with their faces drawn on them")
    add("--plot", type=_path, metavar="FILE.svg", help="draw valence and arousal over the time of videos")
    add("--no-detect", action="store_true", help="each picture is a face, already cut out: its centre square")
    add(
        "--everyone",
        action="store_true",
        help="search a video's frames as pictures, for small and turned faces: far slower",
    )
    add("--min-confidence", type=float, help="label 'uncertain' below it, 0 to 1 (default: the model's threshold)")
    of_classes = "shares of the classes, where known: uniform, fer2013, ferplus, mild, or 7 numbers with commas"
    add("--priors", type=typed, help=of_classes)
    add("--min-score", type=float, help="of the face detector, 0 to 1 (default: 0.5)")
    add("--label-order", default="fer2013", choices=LABEL_ORDERS, help="order and names of the classes in --out")
    add("--smooth-ms", type=float, default=smooth_ms, help="time constant in videos, 0 for none (%(default)g)")
    add("--batch", type=int, default=64, help="largest number of faces in one call of the model (%(default)s)")
    add("--threads", type=int, default=THREADS, help="0 for all cores; takes more CPU time (%(default)s)")
    args = parser.parse_args(words)
    if not args.inputs and args.webcam is None and not args.list:
        parser.error("expected images, videos, folders, --webcam 0 or --list")
    return args


def _session(args: argparse.Namespace) -> Session:
    for name, most in _MOST.items():
        value = getattr(args, name)
        if value is not None and not 0 <= value <= most:  # NaN too
            raise FerlabError(f"--{name.replace('_', '-')} is {value}; expected a number from 0 to {most}")
    detect, least = not args.no_detect, args.min_confidence
    predictor = Predictor(args.model, detect, least, args.min_score, args.batch, args.threads, priors=args.priors)
    drawings = AnnotatedFolder(args.annotated) if args.annotated else None
    plot = AffectPlot(args.plot) if args.plot else None
    out = Predictions(args.out, args.label_order, predictor.provenance)
    return Session(predictor, out, drawings, args.smooth_ms / 1000, args.everyone, args.seconds, plot)


def main(words: Sequence[str] | None = None) -> int:
    """The command; its exit status: 1 where anything failed, else as `Session.run`."""
    args = _arguments(words)
    escape_output()
    warnings.filterwarnings("ignore", module="PIL")  # about odd files that it reads all the same
    try:
        status = catalogue.show() if args.list else _session(args).run(args.inputs, args.webcam)
    except (FerlabError, OSError) as error:
        print(f"ferlab: {shown(error)}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:  # before the first input, or typed twice
        print("ferlab: stopped by Ctrl-C", file=sys.stderr)
        status = 130
    try:
        sys.stdout.flush()
    except OSError:  # Python would try again at its end, and complain
        sys.stdout = None
    return status


if __name__ == "__main__":
    sys.exit(main())
