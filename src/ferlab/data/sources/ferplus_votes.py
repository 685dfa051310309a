"""FER+'s votes (Barsoum et al. 2016, arXiv:1608.01041): read from their csv, and made into targets of seven classes."""

import csv
from pathlib import Path

import numpy as np

from ferlab.data.faces import hard_targets
from ferlab.data.sources.fer2013_rows import USAGES
from ferlab.errors import FerlabError
from ferlab.expressions import FERPLUS_COLUMNS, K, index_of

CONTEMPT = FERPLUS_COLUMNS.index("contempt")  # the last of FER+'s eight expressions; unknown and not a face follow
_COLUMNS = [index_of(name) for name in FERPLUS_COLUMNS]
_EXPRESSION = np.array([-1 if k is None else k for k in _COLUMNS])


def majority_of(votes: np.ndarray) -> np.ndarray:
    """Votes [N,10] -> the expression with more than half of them, int [N]; -1 where there is none of FER2013's."""
    return np.where(votes.max(1) * 2 > votes.sum(1), _EXPRESSION[votes.argmax(1)], -1)


def targets_of(votes: np.ndarray, how: str) -> np.ndarray:
    """Votes [N,10] -> targets float32 [N,7]; zeros where a face has none.

    `majority` and `probability` follow the program that was published with FER+ (Barsoum et al. 2016,
    arXiv:1608.01041; github.com/microsoft/FERPlus, ferplus.py), in which an answer with a single vote counts nothing.
    Seven classes remain of its eight: a face that most people found contemptuous is left out, and contempt's share of
    any other face goes to the seven in proportion.

    Args:
        how: `majority`, one-hot at the answer with more than half of the votes; none where it is contempt, unknown or
            not a face. `probability`, shares of the leading answers: the most frequent ones, equals together, until
            they hold three quarters of the votes or are three; none where they hold at most half, where equals make
            them more than three, or where unknown, not a face or contempt leads. `distribution`, not of that
            program: shares of all votes for the seven, single ones too.
    """
    if how == "majority":
        majority = majority_of(_without_single(votes))
        return np.where((majority >= 0)[:, None], hard_targets(majority), np.float32(0))
    counted = votes if how == "distribution" else np.array([_leading(row) for row in _without_single(votes)])
    seven = np.zeros((len(votes), K))
    for column, k in enumerate(_COLUMNS):
        if k is not None:  # contempt, unknown and NF are no expression of FER2013
            seven[:, k] = counted.reshape(-1, len(FERPLUS_COLUMNS))[:, column]
    return (seven / np.maximum(seven.sum(1, keepdims=True), 1)).astype(np.float32)


def _without_single(votes: np.ndarray) -> np.ndarray:
    return np.where(votes > 1, votes, 0)


def _leading(votes: np.ndarray) -> np.ndarray:
    """The votes [10] of the leading answers as `targets_of` says; zeros where they make no target."""
    chosen, left, none = np.zeros_like(votes), votes.copy(), np.zeros_like(votes)
    while chosen.sum() < 0.75 * votes.sum() and np.count_nonzero(chosen) < 3:
        equals = np.flatnonzero(left == left.max())
        chosen[equals[equals <= CONTEMPT]] = left.max()
        left[equals] = 0
        if equals[-1] > CONTEMPT:  # unknown or not a face is among them: nothing after it counts
            break
    if chosen.sum() * 2 <= votes.sum() or np.count_nonzero(chosen) > 3 or chosen.argmax() == CONTEMPT:
        return none
    return chosen


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
