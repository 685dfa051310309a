"""Folders of images in, one folder a class, faces out: CLASS/, or train/CLASS and perhaps val/CLASS and test/CLASS."""

from collections.abc import Iterator
from pathlib import Path

from ferlab.data.faces import Faces
from ferlab.data.sources.images import Item
from ferlab.data.sources.reading import Reading, official_split
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, index_of
from ferlab.images import files_under, is_junk

# What a folder of a split may be called, in lower case and without "_", "-", blanks and "fer2013".
_SPLITS = {
    **dict.fromkeys(("train", "training", "trainset"), 0),
    **dict.fromkeys(("val", "valid", "validation", "dev", "valset", "publictest"), 1),
    **dict.fromkeys(("test", "testing", "testset", "privatetest"), 2),
}


def read_class_folders(path: Path, reading: Reading, groups: str = "face") -> Faces:
    """Faces of PATH/CLASS/**; a class is any name that ferlab knows (`happy`, `Happiness`, `3 happy`) or a number.

    Identical images never part. With groups="subject" names are PERSON-ANYTHING and no person is in two splits. A
    folder in CLASS/ that is named after a split, or FER2013's file names (PublicTest_1.png), state the split.

    Raises:
        FerlabError: no class folder or image, a name without a person where `groups` needs one, or as `Reading.faces`.
    """
    if groups not in ("face", "subject"):
        raise FerlabError(f"groups is {groups!r}; choose face or subject")
    top = only_folder(path)
    inside = subfolders(top)
    for folder in inside:
        if split_of(folder.name) is not None:
            raise FerlabError(
                f"{path} holds the folder {folder.name}: for train/CLASS and test/CLASS use layout: image_folders"
            )
    if not inside:
        raise FerlabError(f"{path} holds no class folder; expected one per class: {', '.join(EXPRESSIONS)}")
    items = list(class_items(top, person=groups == "subject"))
    if not items:
        raise FerlabError(f"{path}: the class folders hold no images; expected files like {path}/happy/1.png")
    return reading.faces(top, items)


def read_image_folders(path: Path, reading: Reading, names: bool = False) -> Faces:
    """Faces of PATH/train/CLASS, and of val/CLASS and test/CLASS where they are there.

    Where val or test is missing, a share of train becomes it. FER2013's file names (PublicTest_1.png) must agree with
    their folder; in test/ without val/ they tell which face is val.

    Args:
        names: test/ without val/ must have such names, since Kaggle's test/ holds both splits of FER2013.

    Raises:
        FerlabError: no train/CLASS, a name in test/ without its split, or as `Reading.faces`.
    """
    top = only_folder(path)
    folders = {folder: split for folder in subfolders(top) if (split := split_of(folder.name)) is not None}
    if 0 not in folders.values() or (names and len(set(folders.values())) < 2):
        found = ", ".join(folder.name for folder in subfolders(top)) or "nothing"
        raise FerlabError(
            f"{path}: expected train/CLASS and test/CLASS, found {found}. For CLASS: layout: class_folders"
        )
    items: list[Item] = []
    for folder, split in sorted(folders.items(), key=lambda pair: (pair[1], pair[0].name)):
        its = list(class_items(folder, split))
        if split == 2 and 1 not in folders.values():
            its = _of_both_tests(its, names)
        items += its
    if not items:
        raise FerlabError(f"{path}: {', '.join(folder.name for folder in folders)} hold no images; unpack it again")
    return reading.faces(top, items)


def _of_both_tests(items: list[Item], names: bool) -> list[Item]:
    """The items of a test/ beside which there is no val/: without a split where their names have to tell it."""
    if not names and not any(official_split(item.file.name) is not None for item in items):
        return items
    for item in items:
        if official_split(item.file.name) is None:
            raise FerlabError(
                f"{item.file}: its name should begin with PublicTest_ or PrivateTest_, since test/ holds both and only "
                "the first may be used for choosing. Use fer2013.csv, or train/ alone with layout: class_folders, "
                "split: train"
            )
        if official_split(item.file.name) == 0:
            raise FerlabError(f"{item.file} is of Training by its name and of test by its folder; unpack it again")
    return [Item(item.file, item.label) for item in items]


def class_items(top: Path, split: int | None = None, person: bool = False) -> Iterator[Item]:
    """The files below each folder in `top`, which its class is named after, in the order of the classes."""
    for folder in sorted(subfolders(top), key=lambda folder: (_place(folder.name), folder.name)):
        for file in files_under(folder):
            between = () if file.parent == folder else file.relative_to(folder).parts[:-1]
            codes = {split, *map(split_of, between)} - {None}
            if len(codes) > 1:
                raise FerlabError(f"{file} lies in folders of two splits; move it into one")
            yield Item(file, folder.name, next(iter(codes), None), _person(file) if person else None)


def _place(name: str) -> int:
    """Of a class in the order of the items; unknown names, which are refused later, come last."""
    if name.isdecimal():
        return int(name)
    return k if is_class(name) and (k := index_of(name)) is not None else len(EXPRESSIONS)


def _person(file: Path) -> str:
    person, dash, _ = file.stem.partition("-")
    if not (person and dash):
        raise FerlabError(f"{file}: expected a name like p01-7.png, with the person in it; or give groups: face")
    return person.lower()


def only_folder(path: Path) -> Path:
    """`path`, or the only folder in it where an archive packed one around everything."""
    if not path.is_dir():
        raise FerlabError(f"{path} is no folder; expected one folder per class in it, named {', '.join(EXPRESSIONS)}")
    while True:
        inside = [entry for entry in path.iterdir() if not is_junk(entry.name)]
        if len(inside) != 1 or not inside[0].is_dir():
            return path
        name = inside[0].name
        if split_of(name) is not None or name.isdecimal() or is_class(name):
            return path
        path = inside[0]


def split_of(folder: str) -> int | None:
    """Code of the split that a folder is named after."""
    plain = folder.lower().replace("fer2013", "").translate(str.maketrans("", "", "_- "))
    return _SPLITS.get(plain)


def subfolders(path: Path) -> list[Path]:
    """Folders in a folder by name, without hidden ones."""
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not is_junk(entry.name))


def is_class(name: str) -> bool:
    """Whether this is the name of an expression, or of one that FER2013 lacks."""
    try:
        index_of(name)
    except FerlabError:
        return False
    return True
