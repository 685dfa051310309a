"""Kaggle's fer2013.csv and icml_face_data.csv: text of 300 MB enters, faces leave; this file alone reads that text.

Whole lines are taken a block at a time and all digits of a block are turned into pixels by a few numpy operations.
A block in which anything is unusual is read again row by row, which either understands it or names the line at fault.
"""

import csv
import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferlab.data.faces import SPLITS, Faces, hard_targets
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.images import SIDE

log = logging.getLogger(__name__)

# The sums that torchvision.datasets.FER2013 checks, by file name.
MD5 = {
    "fer2013.csv": "f8428a1edbd21e88f42c73edd2a14f95",
    "icml_face_data.csv": "b114b9e04e6949e5fe8b6a98b3892b1d",
    "train.csv": "3f0dfb3d3fd99c811a1299cb947e3131",
}
USAGES = {"training": 0, "publictest": 1, "privatetest": 2}  # Usage, in lower case -> split code
PIXELS = SIDE * SIDE
_BLOCK = 256 << 10  # bytes
_ROWS = 12  # rows turned into pixels at once: arrays that stay in the cache, below malloc's limit for fresh pages
_LONGEST_LINE = 1 << 20  # bytes; a face takes at most 9,300
_USAGE_BYTES = {name.encode(): code for name, code in USAGES.items()}
_EMOTION_BYTES = {str(k).encode(): k for k in range(len(EXPRESSIONS))}
_WANTED = "expected columns emotion, pixels and Usage, as in Kaggle's fer2013.csv or icml_face_data.csv"


class _BadRow(ValueError):
    """What is wrong with one row, without its place."""


@dataclass(frozen=True)
class _Columns:
    emotion: int
    pixels: int
    usage: int | None
    count: int
    split: int | None  # the split of every row where there is no Usage


def read(path: Path, strict: bool = True, strict_md5: bool = False, split: str | None = None) -> Faces:
    """Faces of a FER2013 csv in row order: Training is train, PublicTest val and PrivateTest test.

    Args:
        path: the csv; column order, case, spaces, quotes, line ends and further columns do not matter.
        strict: False leaves out bad rows and logs their number; `Faces.row` still counts them.
        strict_md5: True makes an error of an md5 that differs from the published file's, otherwise a warning.
        split: the split of all rows of a csv without a Usage column (Kaggle's train.csv).

    Raises:
        FerlabError: no such csv, or a bad row, named by its line.
    """
    if split is not None and split not in SPLITS:
        raise FerlabError(f"split is {split!r}; choose one of {', '.join(SPLITS)}, or leave it out")
    md5 = hashlib.md5(usedforsecurity=False)
    blocks, labels, splits, places, bad, row = [], [], [], [], [], 0
    try:
        with path.open("rb") as file:
            for pixels, label, usage, place, seen in _parsed_blocks(path, file, md5, split, None if strict else bad):
                blocks += pixels
                labels += label
                splits += usage
                places.append(np.asarray(place, np.int32) + row)
                row += seen
    except OSError as error:
        raise FerlabError(
            f"{path} cannot be read ({error.strerror}); check that it exists and its permissions"
        ) from None
    if bad:
        log.warning("%s: left out %d bad rows of %d; the first: %s", path, len(bad), row, bad[0])
    if not labels:
        raise FerlabError(f"{path} has a header and no {'good ' if bad else ''}rows; download it again")
    _check_md5(path, md5.hexdigest(), strict_md5)
    return Faces(
        np.concatenate(blocks).reshape(-1, SIDE, SIDE),
        hard_targets(np.array(labels)),
        np.array(splits, np.uint8),
        np.full(len(labels), -1, np.int32),
        np.concatenate(places),
    )


def _parsed_blocks(path: Path, file, md5, split: str | None, bad: list[str] | None) -> Iterator[tuple]:
    """What `_parse_fast` gives, for each block of a csv; bad rows go to `bad`, or raise where that is None."""
    columns = None
    for number, lines in _blocks_of_lines(path, file, md5):
        if columns is None:
            columns = _header(path, lines.pop(0), split)
            number += 1
        yield _parse_fast(lines, columns) or _parse_row_by_row(path, lines, columns, number, bad)
    if columns is None:
        raise FerlabError(f"{path} is empty; {_WANTED}. Download it again")


def _blocks_of_lines(path: Path, file, md5) -> Iterator[tuple[int, list[bytes]]]:
    """(number of its first line, from 1; lines) of each block of whole lines. Lines end in LF, CRLF or CR."""
    rest, number, end = b"", 1, None
    while data := file.read(_BLOCK):
        md5.update(data)
        if end is None:
            data = data.removeprefix(b"\xef\xbb\xbf")
            end = b"\n" if b"\n" in data or b"\r" not in data else b"\r"
        lines = _split(rest + data, end)
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


def _split(text: bytes, separator: bytes) -> list[bytes]:
    # bytes.split walks byte by byte; find goes by memchr, many times faster on fields of thousands of bytes.
    parts, start = [], 0
    while (end := text.find(separator, start)) >= 0:
        parts.append(text[start:end])
        start = end + 1
    parts.append(text[start:])
    return parts


def _header(path: Path, line: bytes, split: str | None) -> _Columns:
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
    return _Columns(
        names.index("emotion"), names.index("pixels"), usage, len(names), SPLITS.index(split) if split else None
    )


def _parse_fast(lines: list[bytes], columns: _Columns):
    """(pixels as a list of [n,2304], labels, split codes, places in the block, n), or None when anything is unusual."""
    texts, labels, splits = [], [], []
    for line in lines:
        fields = _split(line, b",")
        if len(fields) != columns.count or (b'"' in line and not _unquote(fields)):
            return None
        label = _EMOTION_BYTES.get(fields[columns.emotion].strip())
        usage = columns.split if columns.usage is None else _USAGE_BYTES.get(fields[columns.usage].strip().lower())
        if label is None or usage is None:
            return None
        labels.append(label)
        splits.append(usage)
        texts.append(fields[columns.pixels].strip())
    parts = [_pixels(texts[i : i + _ROWS]) for i in range(0, len(texts), _ROWS)]
    if any(part is None for part in parts):
        return None
    return parts, labels, splits, range(len(lines)), len(lines)


def _unquote(fields: list[bytes]) -> bool:
    for i, field in enumerate(fields):
        word = field.strip()
        if b'"' in word:
            if len(word) < 2 or word[:1] != b'"' or word[-1:] != b'"' or b'"' in word[1:-1]:
                return False
            fields[i] = word[1:-1]
    return True


def _pixels(texts: list[bytes]) -> np.ndarray | None:
    """Rows of decimal numbers -> uint8 [n,2304]; None unless each row is 2304 numbers 0..255 with single spaces."""
    text = np.frombuffer(b" ".join([b"", *texts, b""]), np.uint8)  # a space before and after each row
    space = text == 32
    digit = text - np.uint8(48)  # other characters wrap around to 10..255
    is_digit = digit < 10
    if np.count_nonzero(space) + np.count_nonzero(is_digit) != len(text) or (space[1:] & space[:-1]).any():
        return None
    start = 0
    for row in texts:
        end = start + len(row) + 1
        if np.count_nonzero(space[start:end]) != PIXELS:
            return None
        start = end
    digit *= is_digit
    two = is_digit[1:] & is_digit[:-1]
    three = two[1:] & two[:-1]
    if (three[1:] & three[:-1]).any():  # four digits in a row
        return None
    # The value that ends at each character but the first, at all of them: faster than to pick the last digits first.
    value = digit[:-1] * np.uint8(10)
    value += digit[1:]
    hundreds = digit[:-2] * three
    if hundreds.max() > 2:
        return None
    hundreds *= np.uint8(100)
    value[1:] += hundreds
    if (value[1:] < hundreds).any():  # beyond 255 a uint8 wraps, and only then is a sum less than a summand
        return None
    return np.compress(space[2:], value[:-1]).reshape(len(texts), PIXELS)


def _parse_row_by_row(path: Path, lines: list[bytes], columns: _Columns, number: int, bad: list[str] | None):
    """As `_parse_fast`, of any block. Bad rows go to `bad`, or raise where that is None."""
    pixels, labels, splits, places, seen = [], [], [], [], 0
    for offset, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            face, label, usage = _row(line, columns)
            pixels.append(face)
            labels.append(label)
            splits.append(usage)
            places.append(seen)
        except _BadRow as error:
            message = f"{path}, line {number + offset}: {error}"
            if bad is None:
                raise FerlabError(
                    f"{message}: download the file again, or leave bad rows out with strict: false"
                ) from None
            bad.append(message)
        seen += 1
    return [np.array(pixels, np.uint8).reshape(-1, PIXELS)], labels, splits, places, seen


def _row(line: bytes, columns: _Columns) -> tuple[list[int], int, int]:
    try:
        fields = next(csv.reader([line.decode("utf-8")], strict=True, skipinitialspace=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _BadRow(f"no csv row ({error}); is the row cut?") from None
    if len(fields) != columns.count:
        raise _BadRow(f"expected {columns.count} fields, found {len(fields)}; is the row cut?")
    emotion = fields[columns.emotion].strip()
    if emotion.encode() not in _EMOTION_BYTES:
        raise _BadRow(f"emotion is {emotion[:20]!r}; expected 0 to {len(EXPRESSIONS) - 1}")
    usage = columns.split
    if columns.usage is not None:
        word = fields[columns.usage].strip()
        usage = USAGES.get(word.lower())
        if usage is None:
            raise _BadRow(f"Usage is {word[:20]!r}; expected Training, PublicTest or PrivateTest; is the row cut?")
    words = fields[columns.pixels].split()
    for i, word in enumerate(words):
        # int() would take '1_0', '+5' and digits of other scripts.
        if not (word.isascii() and word.isdigit() and len(word) <= 3 and int(word) <= 255):
            raise _BadRow(f"pixel {i + 1} is {word[:20]!r}; expected a whole number 0 to 255")
    if len(words) != PIXELS:
        raise _BadRow(f"found {len(words)} pixels; expected {PIXELS} ({SIDE}x{SIDE})")
    return [int(word) for word in words], int(emotion), usage


def _check_md5(path: Path, found: str, strict: bool) -> None:
    expected = MD5.get(path.name)
    if expected is None or found == expected:
        return
    message = f"{path}: md5 is {found}, the published {path.name} has {expected}: another copy, or changed"
    if strict:
        raise FerlabError(f"{message}. Download it again, or accept it with strict_md5: false")
    log.warning("%s", message)
