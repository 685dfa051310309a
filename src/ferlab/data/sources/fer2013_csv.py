"""Kaggle's fer2013.csv or icml_face_data.csv in, text of 300 MB; faces out. `fer2013_rows` parses its lines."""

import csv
import hashlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ferlab.data.faces import SPLITS, Faces, hard_targets
from ferlab.data.sources import numbered
from ferlab.data.sources.fer2013_rows import Columns, Rows, parse, split_bytes
from ferlab.errors import FerlabError
from ferlab.images import SIDE
from ferlab.inference.label_orders import Order, numbers_of

log = logging.getLogger(__name__)

# The sums that torchvision.datasets.FER2013 checks, by file name.
MD5 = {
    "fer2013.csv": "f8428a1edbd21e88f42c73edd2a14f95",
    "icml_face_data.csv": "b114b9e04e6949e5fe8b6a98b3892b1d",
    "train.csv": "3f0dfb3d3fd99c811a1299cb947e3131",
}
_BLOCK = 256 << 10  # bytes
_LONGEST_LINE = 1 << 20  # bytes; a face takes at most 9,300
_WANTED = "expected columns emotion, pixels and Usage, as in Kaggle's fer2013.csv or icml_face_data.csv"


def read(
    path: Path,
    strict: bool = True,
    strict_md5: bool = False,
    split: str | None = None,
    label_order: Order | None = None,
) -> Faces:
    """Faces of a FER2013 csv in row order: Training is train, PublicTest val and PrivateTest test.

    Args:
        path: the csv; column order, case, spaces, quotes, line ends and further columns do not matter.
        strict: False leaves out bad rows and logs their number; `Faces.row` still counts them.
        strict_md5: True makes an error of an md5 that differs from the published file's, otherwise a warning.
        split: the split of all rows of a csv without a Usage column (Kaggle's train.csv).
        label_order: how the emotions are numbered, one of `LABEL_ORDERS` or a list of names; None for FER2013's order.
            Faces of classes that FER2013 lacks are left out and counted.

    Raises:
        FerlabError: no such csv, a bad row, named by its line, or class counts that are FER2013's in another order.
    """
    if split is not None and split not in SPLITS:
        raise FerlabError(f"split is {split!r}; choose one of {', '.join(SPLITS)}, or leave it out")
    md5 = hashlib.md5(usedforsecurity=False)
    bad: list[str] = []
    try:
        rows = _rows(path, split, label_order, md5.update, None if strict else bad)
    except OSError as error:
        raise FerlabError(
            f"{path} cannot be read ({error.strerror}); check that it exists and its permissions"
        ) from None
    if bad:
        log.warning("%s: left out %d bad rows of %d; the first: %s", path, len(bad), rows.count, bad[0])
    if not rows.numbers:
        raise FerlabError(f"{path} has a header and no {'good ' if bad else ''}rows; download it again")
    labels, official = numbered.labels_of(path, np.array(rows.numbers), np.array(rows.splits, np.uint8), label_order)
    _check_md5(path, md5.hexdigest(), strict_md5, official or label_order is not None)
    return _faces(path, rows, labels)


def _faces(path: Path, rows: Rows, labels: np.ndarray) -> Faces:
    """The rows whose class FER2013 has."""
    faces = Faces(
        np.concatenate(rows.pixels).reshape(-1, SIDE, SIDE),
        hard_targets(labels),
        np.array(rows.splits, np.uint8),
        np.full(len(labels), -1, np.int32),
        np.array(rows.places, np.int32),
    )
    if (labels >= 0).all():
        return faces
    log.info("%s: left out %d faces of classes that FER2013 lacks", path, (labels < 0).sum())
    return faces.take(labels >= 0)


def _rows(
    path: Path, split: str | None, order: Order | None, update: Callable[[bytes], object], bad: list[str] | None
) -> Rows:
    """All good rows; bad ones go to `bad`, or raise where that is None. `update` takes all bytes, for the checksum."""
    rows, columns = Rows(), None
    with path.open("rb") as file:
        for number, lines in _blocks_of_lines(path, file, update):
            if columns is None:
                columns = header(path, lines.pop(0), split, order)
                number += 1
            rows.extend(parse(path, lines, columns, number, bad))
    if columns is None:
        raise FerlabError(f"{path} is empty; {_WANTED}. Download it again")
    return rows


def _blocks_of_lines(
    path: Path, file: BinaryIO, update: Callable[[bytes], object]
) -> Iterator[tuple[int, list[bytes]]]:
    """(number of its first line, from 1; lines) of each block of whole lines, which end in LF, CRLF or CR."""
    rest, number = b"", 1
    end: bytes | None = None
    while data := file.read(_BLOCK):
        update(data)
        if end is None:
            data = data.removeprefix(b"\xef\xbb\xbf")
            end = b"\n" if b"\n" in data or b"\r" not in data else b"\r"
        lines = split_bytes(rest + data, end)
        rest = lines.pop()
        if lines:
            first, number = number, number + len(lines)
            yield first, lines
        elif len(rest) > _LONGEST_LINE:
            raise FerlabError(
                f"{path}, line {number}: longer than {_LONGEST_LINE} bytes, so no csv of faces; {_WANTED}"
            )
    if rest:
        yield number, [rest]


def header(path: Path, line: bytes, split: str | None, order: Order | None) -> Columns:
    """The columns that the first line of a csv names; `split` and `order` as `split` and `label_order` of `read`.

    Raises:
        FerlabError: it is no such line.
    """
    try:
        names = [name.strip().lower() for name in next(csv.reader([line.decode("utf-8")], strict=True), [])]
    except (UnicodeDecodeError, csv.Error):
        raise FerlabError(f"{path} is not a csv: it begins with {line[:20]!r}; {_WANTED}") from None
    if line.lstrip()[:1] == b"<" or b"\0" in line or line[:2] == b"PK":
        raise FerlabError(f"{path} is not a csv: it begins with {line[:20]!r} (a web page or archive?); {_WANTED}")
    wanted = ["emotion", "pixels"] + ([] if split else ["usage"])
    missing = [name for name in wanted if name not in names]
    if missing:
        hint = ""
        if names == ["pixels"]:
            hint = ". Kaggle's test.csv has no labels: use fer2013.csv or icml_face_data.csv of the same competition"
        elif missing == ["usage"]:
            hint = ". Kaggle's train.csv holds only Training faces: to take it as such, give split: train"
        found = ", ".join(names)[:100] or "an empty line"
        raise FerlabError(f"{path}, line 1: no column {', '.join(missing)}; {_WANTED}, found {found}{hint}")
    for name in ("emotion", "pixels", "usage"):
        if names.count(name) > 1:
            raise FerlabError(f"{path}, line 1: column {name} stands there {names.count(name)} times; keep one")
    usage = None if split else names.index("usage")
    return Columns(
        names.index("emotion"),
        names.index("pixels"),
        usage,
        len(names),
        SPLITS.index(split) if split else None,
        {str(number).encode(): number for number in numbers_of(order or "fer2013")},
    )


def _check_md5(path: Path, found: str, strict: bool, order_known: bool) -> None:
    expected = MD5.get(path.name)
    if expected is None or found == expected:
        return
    message = f"{path}: md5 is {found}, the published {path.name} has {expected}: another copy, or changed"
    if strict:
        raise FerlabError(f"{message}. Download it again, or accept it with strict_md5: false")
    if not order_known:
        message += (
            ". Its numbers of faces per split and class are not FER2013's, so they do not show how the classes are "
            "numbered: check that, and give data.label_order=fer2013 or another"
        )
    log.warning("%s", message)
