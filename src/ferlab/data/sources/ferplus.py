"""FER2013's faces and the ten votes of FER+ (Barsoum et al. 2016) for each in, faces with those targets out."""

import csv
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ferlab.data.faces import Faces, hard_targets
from ferlab.data.sources import fer2013, fer2013_csv, image_folders
from ferlab.data.sources.fer2013_rows import USAGES
from ferlab.data.sources.images import Item
from ferlab.data.sources.reading import Reading
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, FERPLUS_COLUMNS, K, index_of
from ferlab.images import files_under
from ferlab.inference.label_orders import Order

log = logging.getLogger(__name__)

VOTES, LABELS = "fer2013new.csv", "label.csv"
_COLUMNS = [index_of(name) for name in FERPLUS_COLUMNS]
_EXPRESSION = np.array([-1 if k is None else k for k in _COLUMNS])
# The published votes have no key but their row. Of FER2013's rated faces with a majority 72 % agree with their label,
# and 62 % or more of any 200 in turn; of rows in a random order 19 %, and 27 % at most.
AGREEMENT = 0.5
_IN_TURN = 200
_FEWEST = 50  # faces below which chance decides


def read(
    path: Path,
    targets: str = "distribution",
    unnamed: str = "keep",
    strict: bool = True,
    strict_md5: bool = False,
    label_order: Order | None = None,
) -> Faces:
    """Faces of fer2013.csv in `path` with the targets of fer2013new.csv there, joined by row.

    Without these, faces of FER2013Train/ and the others as FER+'s own program writes them: images beside a label.csv.

    Args:
        path: folder with both files, or with the three folders.
        targets: `distribution`, the shares of the votes for the seven expressions; or `majority`, one-hot at the
            expression with more than half of all ten votes. Faces without such votes are left out and counted.
        unnamed: `keep` FER2013's label of rows without an image name, which FER+ has not rated; or `drop` them.
        strict, strict_md5, label_order: as for fer2013.csv.

    Raises:
        FerlabError: a file is missing, or the two do not describe the same rows.
    """
    if targets not in ("distribution", "majority"):
        raise FerlabError(f"targets is {targets!r}; choose distribution or majority")
    if unnamed not in ("keep", "drop"):
        raise FerlabError(f"unnamed is {unnamed!r}; choose keep or drop")
    if folders := _folders(path):
        return _read_folders(path, folders, targets, Reading(strict=strict))
    pixels_csv, votes_csv = raw_files(path)
    usage, named, votes = votes_of(votes_csv)
    faces = fer2013_csv.read(pixels_csv, strict, strict_md5, label_order=label_order)
    _refuse_other_rows(faces, pixels_csv, usage, votes_csv, strict)
    row = faces.row
    refuse_other_faces(faces.labels, row, votes[row], named[row], votes_csv)
    table, rated = _targets(votes[row], targets)
    # Unrated rows are blank or damaged images; they stay by default so that splits stay FER2013's.
    table[~named[row]] = faces.targets[~named[row]]
    kept = np.where(named[row], rated, unnamed == "keep")
    log.info("%s: left out %d faces without usable votes", votes_csv, (~kept & named[row]).sum())
    return replace(faces, targets=table).take(kept)


def _refuse_other_rows(faces: Faces, pixels_csv: Path, usage: np.ndarray, votes_csv: Path, strict: bool) -> None:
    if len(usage) <= faces.row.max() or (strict and len(usage) != len(faces)):
        raise FerlabError(
            f"{votes_csv} has {len(usage)} rows, {pixels_csv} {len(faces)}; they must be of the same release"
        )
    differ = np.flatnonzero(usage[faces.row] != faces.split)
    if len(differ):
        line = int(faces.row[differ[0]]) + 2
        raise FerlabError(
            f"{votes_csv}, line {line}: another Usage than in {pixels_csv}; the rows must be in one order"
        )


def refuse_other_faces(
    labels: np.ndarray, row: np.ndarray, votes: np.ndarray, named: np.ndarray, votes_csv: Path
) -> None:
    """Raise FerlabError where labels [N] and the votes of those rows are of different faces, judged by agreement.

    Fewer than 50 faces with a majority are not judged, nor is a stretch of under 100 exchanged rows found.
    """
    judged = np.flatnonzero(named & (majority_of(votes) >= 0))
    judged = judged[np.argsort(row[judged], kind="stable")]
    agrees = majority_of(votes[judged]) == labels[judged]
    if len(judged) < _FEWEST:
        return
    stretches = np.array_split(np.arange(len(judged)), max(len(judged) // _IN_TURN, 1))
    worst = min([np.arange(len(judged)), *stretches], key=lambda stretch: agrees[stretch].mean())
    if agrees[worst].mean() < AGREEMENT:
        lines = row[judged[worst[[0, -1]]]] + 2
        raise FerlabError(
            f"{votes_csv}, lines {lines[0]} to {lines[1]}: {agrees[worst].mean():.0%} of the majorities agree with "
            f"the labels of these rows; expected {AGREEMENT:.0%} at least. Votes are joined by row: take fer2013.csv "
            "in the published order of rows and labels"
        )


def majority_of(votes: np.ndarray) -> np.ndarray:
    """Votes [N,10] -> the expression with more than half of them, int [N]; -1 where there is none of FER2013's."""
    return np.where(votes.max(1) * 2 > votes.sum(1), _EXPRESSION[votes.argmax(1)], -1)


def _folders(path: Path) -> list[Path]:
    """Folders with images and a label.csv, where there are no fer2013.csv and fer2013new.csv."""
    if (path / VOTES).is_file() or not path.is_dir():
        return []
    return [folder for folder in image_folders.subfolders(path) if (folder / LABELS).is_file()]


def _read_folders(path: Path, folders: Sequence[Path], targets: str, reading: Reading) -> Faces:
    items: list[Item] = []
    counts: list[list[int]] = []
    for folder in folders:
        code = image_folders.split_of(folder.name)
        if code is None:
            raise FerlabError(
                f"{folder}: expected FER2013Train, FER2013Valid or FER2013Test; rename it or move it away"
            )
        for name, votes in _rated(folder / LABELS):
            items.append(Item(folder / name, "", code))
            counts.append(votes)
    table, rated = _targets(np.array(counts).reshape(-1, len(FERPLUS_COLUMNS)), targets)
    log.info("%s: left out %d faces without usable votes", path, (~rated).sum())
    kept = np.flatnonzero(rated)
    labelled = [replace(items[i], label=EXPRESSIONS[table[i].argmax()]) for i in kept]
    known = [*(folder / LABELS for folder in folders), *(item.file for item in items)]
    faces = reading.faces(path, labelled, known)
    return replace(faces, targets=table[kept[faces.row]])


def _rated(file: Path) -> Iterator[tuple[str, list[int]]]:
    """Image name and ten votes of each row of a label.csv, which has no header."""
    number = 1
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            for name, _, *votes in filter(None, csv.reader(stream, strict=True)):
                if len(votes) != len(FERPLUS_COLUMNS) or not all(word.strip().isdecimal() for word in votes):
                    raise ValueError("other fields")
                yield name, [int(word) for word in votes]
                number += 1
    except (OSError, ValueError, csv.Error) as error:
        raise FerlabError(f"{file}, line {number}: expected an image, a box and ten counts ({error})") from None


def raw_files(path: Path) -> list[Path]:
    """The csv with the pixels and the csv with the votes, or all files of the three folders."""
    if _folders(path):
        return list(files_under(path))
    pixels_csv, votes_csv = fer2013.find_csv(path), path / VOTES
    missing = [] if pixels_csv else [str(path / "fer2013.csv")]
    missing += [] if votes_csv.is_file() else [str(votes_csv)]
    if missing or pixels_csv is None:
        raise FerlabError(
            f"no {' and no '.join(missing)}; FER+ needs both. fer2013new.csv: github.com/microsoft/FERPlus. Or, as its "
            f"program writes them, FER2013Train/{LABELS} and the others"
        )
    return [pixels_csv, votes_csv]


def _targets(votes: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray]:
    """Votes [N,10] -> (float32 [N,7], mask [N] of those that have a target)."""
    seven = np.zeros((len(votes), K))
    for column, k in enumerate(_COLUMNS):
        if k is not None:  # contempt, unknown and NF are no expression of FER2013
            seven[:, k] = votes[:, column]
    if how == "majority":
        majority = majority_of(votes)
        return hard_targets(majority), majority >= 0
    total = seven.sum(1, keepdims=True)
    return (seven / np.maximum(total, 1)).astype(np.float32), total[:, 0] > 0


def votes_of(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(split codes uint8 [N], has an image name bool [N], votes int64 [N,10]) of the rows of fer2013new.csv.

    Raises:
        FerlabError: the file cannot be read or a row is none.
    """
    usage, named, votes = [], [], []
    wanted = ("Usage", "Image name", *FERPLUS_COLUMNS)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in wanted if name not in (reader.fieldnames or ())]
            if missing:
                raise FerlabError(f"{path}, line 1: no column {', '.join(missing)}; expected {', '.join(wanted)}")
            for fields in reader:
                usage.append(USAGES[fields["Usage"].strip().lower()])
                named.append(bool(fields["Image name"].strip()))
                votes.append([int(fields[name]) for name in FERPLUS_COLUMNS])
                if min(votes[-1]) < 0:
                    raise ValueError("a negative number of votes")
    except (KeyError, ValueError, AttributeError, TypeError, csv.Error) as error:
        line = len(usage) + 2 if len(usage) == len(votes) else len(votes) + 2
        raise FerlabError(f"{path}, line {line}: expected Usage, Image name and ten counts ({error})") from None
    except OSError as error:
        raise FerlabError(f"{path} cannot be read ({error.strerror})") from None
    if not votes:
        raise FerlabError(f"{path} has no rows; download it again from github.com/microsoft/FERPlus")
    return np.array(usage, np.uint8), np.array(named), np.array(votes)
