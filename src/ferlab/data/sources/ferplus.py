"""FER2013's faces and the ten votes of FER+ (Barsoum et al. 2016) for each in, faces with those targets out."""

import csv
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ferlab.data.faces import Faces
from ferlab.data.sources import fer2013, fer2013_csv, image_folders
from ferlab.data.sources.ferplus_votes import CONTEMPT, majority_of, targets_of, votes_of
from ferlab.data.sources.images import Item
from ferlab.data.sources.reading import Reading
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, FERPLUS_COLUMNS
from ferlab.images import files_under
from ferlab.inference.label_orders import Order

log = logging.getLogger(__name__)

VOTES, LABELS = "fer2013new.csv", "label.csv"
TARGETS, EVALUATED = ("probability", "majority", "distribution"), ("majority", "targets")
# The published votes have no key but their row. Of FER2013's rated faces with a majority 72 % agree with their label,
# and 62 % or more of any 200 in turn; of rows in a random order 19 %, and 27 % at most.
AGREEMENT = 0.5
_IN_TURN = 200
_FEWEST = 50  # faces below which chance decides


def read(
    path: Path,
    targets: str = "distribution",
    unnamed: str = "keep",
    evaluated: str = "targets",
    strict: bool = True,
    strict_md5: bool = False,
    label_order: Order | None = None,
) -> Faces:
    """Faces of fer2013.csv in `path` with the targets of fer2013new.csv there, joined by row.

    Without these, faces of FER2013Train/ and the others as FER+'s own program writes them: images beside a label.csv.

    Args:
        path: folder with both files, or with the three folders.
        targets: as `targets_of`. Faces without such a target are left out and counted.
        unnamed: `keep` FER2013's label of rows without an image name, which FER+ has not rated; or `drop` them.
        evaluated: what val and test have in place of `targets`: `majority`, as FER+'s own program; or `targets`.
        strict, strict_md5, label_order: as for fer2013.csv.

    Raises:
        FerlabError: a file is missing, or the two do not describe the same rows.
    """
    _refuse_unknown(targets=(targets, TARGETS), unnamed=(unnamed, ("keep", "drop")), evaluated=(evaluated, EVALUATED))
    how = (targets, targets if evaluated == "targets" else evaluated)
    if folders := _folders(path):
        return _read_folders(path, folders, how, Reading(strict=strict))
    pixels_csv, votes_csv = raw_files(path)
    usage, named, votes = votes_of(votes_csv)
    faces = fer2013_csv.read(pixels_csv, strict, strict_md5, label_order=label_order)
    _refuse_other_rows(faces, pixels_csv, usage, votes_csv, strict)
    row = faces.row
    refuse_other_faces(faces.labels, row, votes[row], named[row], votes_csv)
    table, rated = _by_split(votes[row], faces.split, how)
    # Unrated rows are blank or damaged images.
    table[~named[row]] = faces.targets[~named[row]]
    kept = np.where(named[row], rated, unnamed == "keep")
    unrated = f", {(~named[row]).sum()} that FER+ has not rated" if unnamed == "drop" else ""
    log.info("%s: left out %s%s", votes_csv, _left_out(votes[row], rated | ~named[row]), unrated)
    return replace(faces, targets=table).take(kept)


def _refuse_unknown(**options: tuple[str, Sequence[str]]) -> None:
    for name, (value, choices) in options.items():
        if value not in choices:
            raise FerlabError(f"{name} is {value!r}; choose {', '.join(choices[:-1])} or {choices[-1]}")


def _left_out(votes: np.ndarray, rated: np.ndarray) -> str:
    """Why faces of these votes [N,10] have no target, in words: by what most people saw."""
    most = votes[~rated].argmax(1)
    others = {"contempt": most == CONTEMPT, "unknown or no face": most > CONTEMPT, "disputed": most < CONTEMPT}
    return f"{(~rated).sum()} faces without usable votes: " + ", ".join(f"{n.sum()} {k}" for k, n in others.items())


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


def _folders(path: Path) -> list[Path]:
    """Folders with images and a label.csv, where there are no fer2013.csv and fer2013new.csv."""
    if (path / VOTES).is_file() or not path.is_dir():
        return []
    return [folder for folder in image_folders.subfolders(path) if (folder / LABELS).is_file()]


def _read_folders(path: Path, folders: Sequence[Path], how: tuple[str, str], reading: Reading) -> Faces:
    items: list[Item] = []
    counts: list[list[int]] = []
    for folder in folders:
        code = image_folders.split_of(folder.name)
        if code is None:
            raise FerlabError(
                f"{folder}: expected FER2013Train, FER2013Valid or FER2013Test; rename it or move it away"
            )
        for name, row in _rated(folder / LABELS):
            items.append(Item(folder / name, "", code))
            counts.append(row)
    votes = np.array(counts).reshape(-1, len(FERPLUS_COLUMNS))
    table, rated = _by_split(votes, np.array([item.split for item in items]), how)
    log.info("%s: left out %s", path, _left_out(votes, rated))
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


def _by_split(votes: np.ndarray, split: np.ndarray, how: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """As `targets_of`, of training faces in the first way, of val and test in the second."""
    train, others = (targets_of(votes, one) for one in how)
    table = np.where((split == 0)[:, None], train, others)
    return table, table.sum(axis=1) > 0
