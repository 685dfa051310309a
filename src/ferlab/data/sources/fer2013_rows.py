"""Lines of a fer2013.csv in, pixels, labels and splits out: all digits of a block at once, by a few numpy operations.

A block in which anything is unusual is read again row by row, which either understands it or names the line at fault.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ferlab.errors import FerlabError
from ferlab.images import SIDE

USAGES = {"training": 0, "publictest": 1, "privatetest": 2}  # Usage, in lower case -> split code
PIXELS = SIDE * SIDE
_ROWS = 12  # rows turned into pixels at once: arrays that stay in the cache, below malloc's limit for fresh pages
_USAGE_BYTES = {name.encode(): code for name, code in USAGES.items()}


class _BadRow(ValueError):
    """What is wrong with one row, without its place."""


@dataclass(frozen=True)
class Columns:
    """Places of the columns among `count`.

    Attributes:
        split: that of every row where there is no Usage.
        numbers: the class numbers that a row may have, by their digits.
    """

    emotion: int
    pixels: int
    usage: int | None
    count: int
    split: int | None
    numbers: Mapping[bytes, int]


@dataclass
class Rows:
    """Good rows of a csv.

    Attributes:
        pixels: arrays uint8 [n,2304].
        numbers, splits: class number and split code of each.
        places: of each among all rows, from 0.
        count: of all rows, bad ones too.
    """

    pixels: list[np.ndarray] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    splits: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    count: int = 0

    def extend(self, other: "Rows") -> None:
        """Add the rows that follow."""
        self.pixels += other.pixels
        self.numbers += other.numbers
        self.splits += other.splits
        self.places += [self.count + place for place in other.places]
        self.count += other.count


def parse(path: Path, lines: list[bytes], columns: Columns, number: int, bad: list[str] | None) -> Rows:
    """The rows in lines of a csv, of which the first is line `number` of `path`.

    A bad row adds a message to `bad`.

    Raises:
        FerlabError: a bad row, where `bad` is None.
    """
    return _all_at_once(lines, columns) or _row_by_row(path, lines, columns, number, bad)


def split_bytes(text: bytes, separator: bytes) -> list[bytes]:
    """As `bytes.split`, which walks byte by byte; find goes by memchr, many times faster on fields of thousands."""
    parts, start = [], 0
    while (end := text.find(separator, start)) >= 0:
        parts.append(text[start:end])
        start = end + 1
    parts.append(text[start:])
    return parts


def _all_at_once(lines: list[bytes], columns: Columns) -> Rows | None:
    """The rows, or None when anything is unusual."""
    texts, numbers, splits = [], [], []
    for line in lines:
        fields = split_bytes(line, b",")
        if len(fields) != columns.count or (b'"' in line and not _unquote(fields)):
            return None
        number = columns.numbers.get(fields[columns.emotion].strip())
        usage = columns.split if columns.usage is None else _USAGE_BYTES.get(fields[columns.usage].strip().lower())
        if number is None or usage is None:
            return None
        numbers.append(number)
        splits.append(usage)
        texts.append(fields[columns.pixels].strip())
    parts = []
    for i in range(0, len(texts), _ROWS):
        part = _pixels(texts[i : i + _ROWS])
        if part is None:
            return None
        parts.append(part)
    return Rows(parts, numbers, splits, list(range(len(lines))), len(lines))


def _unquote(fields: list[bytes]) -> bool:
    for i, word in enumerate(map(bytes.strip, fields)):
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
    if not _have_all_pixels(space, texts):
        return None
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


def _have_all_pixels(space: np.ndarray, texts: Iterable[bytes]) -> bool:
    """Whether each row, joined by spaces, has as many spaces as pixels."""
    start = 0
    for row in texts:
        end = start + len(row) + 1
        if np.count_nonzero(space[start:end]) != PIXELS:
            return False
        start = end
    return True


def _row_by_row(path: Path, lines: list[bytes], columns: Columns, number: int, bad: list[str] | None) -> Rows:
    rows, pixels = Rows(), []
    for offset, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            face, number_of_class, usage = _row(line, columns)
            pixels.append(face)
            rows.numbers.append(number_of_class)
            rows.splits.append(usage)
            rows.places.append(rows.count)
        except _BadRow as error:
            message = f"{path}, line {number + offset}: {error}"
            if bad is None:
                raise FerlabError(
                    f"{message}: download the file again, or leave bad rows out with strict: false"
                ) from None
            bad.append(message)
        rows.count += 1
    rows.pixels.append(np.array(pixels, np.uint8).reshape(-1, PIXELS))
    return rows


def _row(line: bytes, columns: Columns) -> tuple[list[int], int, int]:
    """Pixels, class number and split code of a row."""
    try:
        fields = next(csv.reader([line.decode("utf-8")], strict=True, skipinitialspace=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _BadRow(f"no csv row ({error}); is the row cut?") from None
    if len(fields) != columns.count:
        raise _BadRow(f"expected {columns.count} fields, found {len(fields)}; is the row cut?")
    emotion = fields[columns.emotion].strip()
    number = columns.numbers.get(emotion.encode())
    if number is None:
        numbers = columns.numbers.values()
        raise _BadRow(f"emotion is {emotion[:20]!r}; expected {min(numbers)} to {max(numbers)}")
    word = "" if columns.usage is None else fields[columns.usage].strip()
    usage = columns.split if columns.usage is None else USAGES.get(word.lower())
    if usage is None:
        raise _BadRow(f"Usage is {word[:20]!r}; expected Training, PublicTest or PrivateTest; is the row cut?")
    words = fields[columns.pixels].split()
    for i, word in enumerate(words):
        # int() would take '1_0', '+5' and digits of other scripts.
        if not (word.isascii() and word.isdigit() and len(word) <= 3 and int(word) <= 255):
            raise _BadRow(f"pixel {i + 1} is {word[:20]!r}; expected a whole number 0 to 255")
    if len(words) != PIXELS:
        raise _BadRow(f"found {len(words)} pixels; expected {PIXELS} ({SIDE}x{SIDE})")
    return [int(word) for word in words], number, usage
