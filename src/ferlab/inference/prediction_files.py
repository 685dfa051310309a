"""Faces of pictures and frames in, one after another; a CSV, a JSON or lines for a reader out."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ferlab.errors import FerlabError
from ferlab.expressions import index_of
from ferlab.files import shown
from ferlab.inference.affect import Affect
from ferlab.inference.label_orders import labels_of, reorder
from ferlab.inference.results import NO_FACE, UNCERTAIN, WHERE, Face


class Predictions:
    """A file of predictions, written as they come, so that they are kept however the command ends.

    Args:
        out: a .csv or .json file, `-` for CSV on stdout, None for lines on stdout.
        label_order: the order and the names of the classes in a CSV or JSON.
        provenance: of the model, for the head of a JSON.

    Attributes:
        name: the file's path, or `stdout`.

    Raises:
        FerlabError: another suffix or order, or the file cannot be written.
    """

    def __init__(self, out: str | None, label_order: str, provenance: Mapping[str, object]):
        self.order, self.names = label_order, labels_of(label_order)
        self.kind = "lines" if out is None else "csv" if out == "-" else Path(out).suffix.lower().lstrip(".")
        if self.kind not in ("lines", "csv", "json"):
            raise FerlabError(f"out is {out}; expected a file that ends in .csv or .json, or - for CSV on stdout")
        self.name = "stdout" if out is None or out == "-" else out
        self._file = sys.stdout if out is None or out == "-" else _opened(Path(out))
        self._first = True
        if self.kind == "csv":
            self._csv = csv.writer(self._file, lineterminator="\n")
            self._csv.writerow([*WHERE, "label", "confidence", *self.names, *Affect._fields])
        elif self.kind == "json":
            head = {key: shown(value) if isinstance(value, str) else value for key, value in provenance.items()}
            head |= {"label_order": label_order, "labels": self.names}
            self._file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "pictures": [')

    def add(
        self, source: str, size: tuple[int, int], faces: Sequence[Face], frame: int | None = None, time_s: float = 0
    ) -> None:
        """Add the faces of a picture of `size` (width, height), or of a video's frame; `source` is escaped."""
        source = shown(source)
        if self.kind == "json":
            entry: dict[str, object] = {"source": source}
            if frame is not None:
                entry |= {"frame": frame, "time_s": round(time_s, 4)}
            entry |= {"width": size[0], "height": size[1]}
            self._entry(entry | {"faces": [self._as_json(face) for face in faces]})
        elif self.kind == "csv":
            where = [_cell(source), *(("", "") if frame is None else (frame, f"{time_s:.4f}"))]
            self._csv.writerows([[*where, n, *self._as_row(face)] for n, face in enumerate(faces)])
            if not faces:
                self._csv.writerow([*where, *[""] * 7, NO_FACE])
        else:
            for words in [_line(face) for face in faces] or [NO_FACE]:
                print(source if frame is None else f"{source} {time_s:.2f} s", words, sep="\t", file=self._file)

    def close(self, failures: Sequence[tuple[str, str]], stopped: str | None = None) -> None:
        """End the file, a JSON with the inputs that could not be read and why, and the signal that cut it short."""
        if self.kind == "json":
            rest = [{"source": source, "error": error} for source, error in failures]
            end = json.dumps({"failed": rest, "stopped": stopped}, ensure_ascii=False)
            self._file.write(f"\n], {end[1:]}\n")
        self._file.flush()
        if self._file is not sys.stdout:
            self._file.close()

    def _entry(self, entry: Mapping[str, object]) -> None:
        self._file.write(("\n" if self._first else ",\n") + json.dumps(entry, ensure_ascii=False))
        self._first = False

    def _label(self, face: Face) -> str:
        """The label by its name in the label order of the file."""
        if face.label == UNCERTAIN:
            return UNCERTAIN
        return next(name for name in self.names if index_of(name) == index_of(face.label))

    def _in_order(self, face: Face) -> np.ndarray:
        return reorder(face.probabilities[None], "fer2013", self.order)[0]

    def _as_row(self, face: Face) -> list[Any]:
        found = face.detection
        where = [""] * 5 if found is None else [*(f"{v:.1f}" for v in found.box), f"{found.score:.4f}"]
        rest = [self._label(face), f"{face.confidence:.4f}", *(f"{p:.6f}" for p in self._in_order(face))]
        return ["" if face.track is None else face.track, *where, *rest, *(f"{value:.4f}" for value in face.affect)]

    def _as_json(self, face: Face) -> dict[str, object]:
        out: dict[str, object] = {} if face.track is None else {"track": face.track}
        if face.detection is not None:
            out["box"] = [round(v, 1) for v in face.detection.box.tolist()]
            out["score"] = round(face.detection.score, 4)
            out |= {"turn": face.detection.turn} if face.detection.turn else {}
            out["keypoints"] = [[round(v, 1) for v in point] for point in face.detection.keypoints.tolist()]
        probabilities = [round(p, 6) for p in self._in_order(face).tolist()]
        return {
            **out,
            "label": self._label(face),
            "confidence": round(face.confidence, 4),
            "probabilities": probabilities,
            **{axis: round(value, 4) for axis, value in face.affect._asdict().items()},
        }


def _cell(name: str) -> str:
    """A file name as text of a table: spreadsheets compute what begins like a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@")) else name


def _line(face: Face) -> str:
    where = "" if face.detection is None else " at {:.0f},{:.0f} size {:.0f}x{:.0f}".format(*face.detection.box)
    return f"{face.label} {face.confidence:.0%}{where}" + ("" if face.track is None else f" #{face.track}")


def _opened(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise FerlabError(f"{path} cannot be written ({error.strerror}); choose another place for out") from None
