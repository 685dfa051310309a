"""CK+ (Lucey et al. 2010) as CMU distributes it, or as the class folders known as CK+48."""

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Collection
from pathlib import Path

import numpy as np

from ferlab.data.faces import Faces
from ferlab.data.sources.image_folders import class_items, only_folder
from ferlab.data.sources.images import Item
from ferlab.data.sources.reading import Reading
from ferlab.errors import FerlabError
from ferlab.expressions import index_of
from ferlab.images import Box, files_under
from ferlab.inference.label_orders import LABEL_ORDERS

log = logging.getLogger(__name__)

EMOTIONS = LABEL_ORDERS["ck_plus"]  # values 0..7
PEAK_FRAMES = 3  # a sequence goes from neutral to its peak; the last frames carry the label
_Found = tuple[Path, re.Match[str]]  # a file and its name's subject, sequence and frame
FRAME = re.compile(r"s(\d{3})_(\d{3})_(\d{8})(_emotion|_landmarks)?\.(\w+)", re.IGNORECASE)


def read(path: Path, reading: Reading) -> Faces:
    """Faces of CK+; no subject stands in two splits.

    CMU's layout (cohn-kanade-images/S005/001/S005_001_00000001.png, Emotion/..._emotion.txt, optionally
    Landmarks/..._landmarks.txt): the last three frames of a labelled sequence take its label, the first is neutral;
    contempt sequences and those without Emotion file are left out and counted. A frame is cut to the face that its
    landmarks enclose, or to its centre square. CK+48 is CLASS/S010_004_00000017.png.

    Raises:
        FerlabError: neither layout, an Emotion file without a number 0..7, or an unreadable image (if `strict`).
    """
    top = only_folder(path)
    found: dict[str, list[_Found]] = {"": [], "_emotion": [], "_landmarks": []}
    for file in files_under(top):
        if match := FRAME.fullmatch(file.name):
            kind = (match[4] or "").lower()
            if kind or match[5].lower() != "txt":
                found[kind].append((file, match))
    if not found[""]:
        raise FerlabError(
            f"{path} holds no CK+ image; expected cohn-kanade-images/S005/001/S005_001_00000001.png beside Emotion/, "
            "or class folders with names like happy/S010_004_00000017.png"
        )
    file, match = found[""][0]
    sequences = (file.parent.parent.name.upper(), file.parent.name) == (f"S{match[1]}", match[2])
    items, used = _cmu(path, found) if sequences or found["_emotion"] else (_ck48(top), ())
    return reading.faces(top, items, used)


def _cmu(path: Path, found: dict[str, list[_Found]]) -> tuple[list[Item], Collection[Path]]:
    """The first and the last frames of labelled sequences, and all files that this layout knows."""
    emotions = {match.group(1, 2): _emotion(file) for file, match in found["_emotion"]}
    if not emotions:
        raise FerlabError(
            f"{path} holds frames and no Emotion/S005/001/S005_001_00000011_emotion.txt; unpack Emotion too"
        )
    landmarks = {match.group(1, 2, 3): file for file, match in found["_landmarks"]}
    frames = defaultdict(list)
    for file, match in found[""]:
        frames[match.group(1, 2)].append((int(match[3]), file, match))
    items = []
    skipped: Counter[str] = Counter()
    for sequence, its in sorted(frames.items()):
        if sequence not in emotions:
            skipped["without Emotion file"] += 1
            continue
        name = EMOTIONS[emotions[sequence]]
        if index_of(name) is None:
            skipped["of contempt"] += 1
            continue
        first, *rest = sorted(its, key=lambda frame: frame[0])
        for (_, file, match), label in [(first, "neutral"), *((frame, name) for frame in rest[-PEAK_FRAMES:])]:
            box = _face_box(landmarks.get(match.group(1, 2, 3)))
            items.append(Item(file, label, subject=f"S{match[1]}", box=box))
    skipped["with Emotion file and no image"] = len(emotions.keys() - frames.keys())
    for why, count in skipped.items():
        if count:
            log.info("%s: left out %d sequences %s", path, count, why)
    if not items:
        raise FerlabError(f"{path}: no sequence has both images and an Emotion file; unpack both archives here")
    return items, [file for those in found.values() for file, _ in those]


def _emotion(file: Path) -> int:
    try:
        text = file.read_text(encoding="ascii").strip()
        value = float(text)
    except (OSError, ValueError) as error:
        raise FerlabError(f"{file}: expected one number 0 to 7 ({error}); unpack Emotion again") from None
    if value not in range(len(EMOTIONS)):
        raise FerlabError(f"{file} holds {text!r}; expected 0 to 7 ({', '.join(EMOTIONS)})")
    return int(value)


def _face_box(landmarks: Path | None) -> Box | None:
    """A square around the 68 points, from a little above the brows to the chin, as FER2013's faces are cut."""
    if landmarks is None:
        return None
    try:
        points = np.loadtxt(landmarks, ndmin=2)
        left, top = points.min(0)
        right, bottom = points.max(0)
    except (OSError, ValueError) as error:
        raise FerlabError(f"{landmarks}: expected lines of x and y ({error}); unpack Landmarks again") from None
    half = 0.6 * max(right - left, bottom - top)
    x, y = (left + right) / 2, (top + bottom) / 2 - 0.1 * (bottom - top)
    return x - half, y - half, x + half, y + half


def _ck48(top: Path) -> list[Item]:
    items = []
    for item in class_items(top):
        match = FRAME.fullmatch(item.file.name)
        if match is None:
            raise FerlabError(f"{item.file}: expected a name like S010_004_00000017.png, with the subject in it")
        items.append(Item(item.file, item.label, subject=f"S{match[1]}"))
    return items
