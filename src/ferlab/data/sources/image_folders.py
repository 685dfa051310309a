"""Folders of images in, one folder a class, faces out: Kaggle's train/CLASS and test/CLASS, and other class folders."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ferlab.data.faces import SPLITS, Faces, hard_targets
from ferlab.data.sources import splits
from ferlab.data.sources.fer2013_rows import USAGES
from ferlab.data.sources.images import decode_all
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, index_of
from ferlab.images import Box, files_under, is_junk

log = logging.getLogger(__name__)


def read_class_folders(
    path: Path,
    split: str | None = None,
    seed: int = 0,
    strict: bool = True,
    groups: str = "face",
    val_share: float = splits.SHARE,
    test_share: float = splits.SHARE,
) -> Faces:
    """Faces of PATH/CLASS/**; a class is any name that ferlab knows (`happy`, `Happiness`, `3 happy`).

    Without `split` a tenth each (or these shares) goes to val and test by a seeded hash of the pixels, so that
    identical images never part. With groups="subject" names are PERSON-ANYTHING and no person is in two splits.
    Contempt and other classes that FER2013 lacks are left out and counted.

    Raises:
        FerlabError: no class folder, an unknown class, an empty data set, a file that is no image (if `strict`), or
            a name without a person where `groups` needs one.
    """
    if groups not in ("face", "subject"):
        raise FerlabError(f"groups is {groups!r}; choose face or subject")
    top = only_folder(path)
    labelled = [(file, label) for folder, label in class_folders(top) for file in files_under(folder)]
    if not labelled:
        raise FerlabError(f"{path}: the class folders hold no images; expected files like {path}/happy/1.png")
    if groups == "face":
        faces = faces_of(top, labelled, strict)
        keys = [face.tobytes() for face in faces.pixels]
    else:
        people = [_person(file) for file, _ in labelled]
        number = {name: i for i, name in enumerate(sorted(set(people)))}
        faces = faces_of(top, labelled, strict, [number[name] for name in people])
        keys = [people[i] for i in faces.row]
    return with_split(faces, splits.by_group(keys, split, seed, val_share, test_share))


def _person(file: Path) -> str:
    person, dash, _ = file.stem.partition("-")
    if not (person and dash):
        raise FerlabError(f"{file}: expected a name like p01-7.png, with the person in it; or give groups: face")
    return person.lower()


def read_image_folders(path: Path, strict: bool = True) -> Faces:
    """Faces of Kaggle's PATH/train/CLASS and PATH/test/CLASS, where file names begin with PublicTest or PrivateTest.

    Raises:
        FerlabError: no such folders, a name in test/ without its split, or a file that is no image (if `strict`).
    """
    top = only_folder(path, unless=("train", "test"))
    by_name = {folder.name.lower(): folder for folder in _subfolders(top)}
    if "train" not in by_name or "test" not in by_name:
        found = ", ".join(sorted(by_name)) or "nothing"
        raise FerlabError(
            f"{path}: expected train/CLASS and test/CLASS, found {found}. For CLASS: layout: class_folders"
        )
    labelled, codes = [], []
    for part in ("train", "test"):
        for folder, label in class_folders(by_name[part]):
            for file in files_under(folder):
                labelled.append((file, label))
                codes.append(_usage(file, part))
    if not labelled:
        raise FerlabError(f"{path}: train/ and test/ hold no images; unpack the archive again")
    faces = faces_of(top, labelled, strict)
    return with_split(faces, np.array(codes, np.uint8)[faces.row])


def _usage(file: Path, part: str) -> int:
    code = USAGES.get(file.name.split("_")[0].lower())
    if code is None and part == "test":
        raise FerlabError(
            f"{file}: its name should begin with PublicTest_ or PrivateTest_, since test/ holds both and only the "
            "first may be used for choosing. Use fer2013.csv, or train/ alone with layout: class_folders, split: train"
        )
    if code is not None and (code == 0) != (part == "train"):
        raise FerlabError(
            f"{file} is of {file.name.split('_')[0]} by its name and of {part} by its folder; unpack the archive again"
        )
    return code or 0


def only_folder(path: Path, unless: tuple[str, ...] = ()) -> Path:
    """`path`, or the only folder in it where an archive packed one around everything."""
    if not path.is_dir():
        raise FerlabError(f"{path} is no folder; expected one folder per class in it, named {', '.join(EXPRESSIONS)}")
    while True:
        inside = [entry for entry in path.iterdir() if not is_junk(entry.name)]
        if len(inside) != 1 or not inside[0].is_dir() or inside[0].name.lower() in unless or _known(inside[0].name):
            return path
        path = inside[0]


def class_folders(path: Path) -> list[tuple[Path, int]]:
    """(folder, class index) of each folder of one of the seven classes, in class order.

    Raises:
        FerlabError: none, or a folder whose name is no class.
    """
    found, dropped = [], 0
    for folder in _subfolders(path):
        if folder.name.lower() in ("train", "test"):
            raise FerlabError(
                f"{path} holds the folder {folder.name}: for train/CLASS and test/CLASS use layout: image_folders"
            )
        try:
            label = index_of(folder.name)
        except FerlabError as error:
            raise FerlabError(f"{folder}: {error}. Rename the folder or move it away") from None
        if label is None:
            dropped += sum(1 for _ in files_under(folder))
        else:
            found.append((folder, label))
    if not found:
        raise FerlabError(f"{path} holds no class folder; expected one per class: {', '.join(EXPRESSIONS)}")
    if dropped:
        log.info("%s: left out %d faces of classes that FER2013 lacks", path, dropped)
    return sorted(found, key=lambda pair: (pair[1], pair[0].name))


def faces_of(
    top: Path,
    labelled: Sequence[tuple[Path, int]],
    strict: bool,
    subjects: Sequence[int] | None = None,
    boxes: Sequence[Box | str | None] | None = None,
) -> Faces:
    """Decode (file, class index) pairs, all as train; `row` counts `labelled`, `files` are relative to `top`."""
    pixels, row = decode_all([file for file, _ in labelled], strict, boxes)
    if not len(row):
        raise FerlabError(f"{top}: none of its {len(labelled)} files is an image; expected PNG, JPEG or the like")
    labels = np.array([label for _, label in labelled])[row]
    subject = np.full(len(labelled), -1) if subjects is None else np.array(subjects)
    return Faces(
        pixels,
        hard_targets(labels),
        np.zeros(len(row), np.uint8),
        subject[row].astype(np.int32),
        row.astype(np.int32),
        [file.relative_to(top).as_posix() for file, _ in labelled],
    )


def with_split(faces: Faces, split: np.ndarray) -> Faces:
    """The same faces with split codes uint8 [N]."""
    assert split.max(initial=0) < len(SPLITS)
    return replace(faces, split=split)


def _subfolders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not is_junk(entry.name))


def _known(name: str) -> bool:
    try:
        index_of(name)
    except FerlabError:
        return False
    return True
