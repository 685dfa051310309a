"""What a layout has refused in, the layout that it looks like out, in the words that are to be typed."""

import contextlib
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ferlab.data.sources import affectnet, ck_plus, fer2013, fer2013_csv, ferplus, file_names, tables
from ferlab.data.sources.image_folders import is_class, only_folder, split_of, subfolders
from ferlab.errors import FerlabError
from ferlab.images import files_under, suffixes
from ferlab.inference.label_orders import LABEL_ORDERS, numbers_of

_LOOKED_AT = 2000  # files
_ONE_FILE = {"fer2013", "ferplus"}  # layouts of the same csv


class Likeness(NamedTuple):
    """A layout, where its files are, and options that it needs."""

    layout: str
    path: Path
    options: Mapping[str, str] = {}

    @property
    def typed(self) -> str:
        """The key to type; a data root counts for no absolute path."""
        facts = {"name": self.layout, "layout": self.layout, "path": self.path.absolute(), **self.options}
        return f"data.sources=[{{{', '.join(f'{key}: {value}' for key, value in facts.items())}}}]"


@contextlib.contextmanager
def hinted(layout: str, path: Path | None, archive: Path | None = None) -> Iterator[None]:
    """Add to a FerlabError what the files at `path`, of `archive` if unpacked, look like, if that is another layout."""
    try:
        yield
    except FerlabError as error:
        found = None if path is None or not path.exists() else look(path)
        if found is None or found.layout == layout or {found.layout, layout} <= _ONE_FILE:
            raise
        found = found if archive is None else found._replace(path=archive)
        raise FerlabError(f"{error}. It looks like {found.layout}: type '{found.typed}'") from None


def look(path: Path) -> Likeness | None:
    """What files look like by their names and first lines; None where that is nothing known."""
    with contextlib.suppress(FerlabError, OSError):
        if path.is_file():
            return _of_file(path)
        top = only_folder(path)
        if csv := fer2013.find_csv(top):
            return Likeness("fer2013", csv.parent)
        files = list(islice(files_under(top), _LOOKED_AT))
        return _of_names(top, files) or _of_folders(top) or _of_files(top, files)
    return None


def _of_names(top: Path, files: list[Path]) -> Likeness | None:
    pictures = [file.name for file in files if file.suffix.lower() in suffixes()]
    patterns = {"ck_plus": ck_plus.FRAME} | {name: names.pattern for name, names in file_names.NAMES.items()}
    for layout, pattern in patterns.items():
        if sum(pattern.fullmatch(name) is not None for name in pictures) > len(pictures) / 2:
            return Likeness(layout, top)
    return None


def _of_folders(top: Path) -> Likeness | None:
    inside = subfolders(top)
    splits = [folder for folder in inside if split_of(folder.name) is not None]
    if any((folder / ferplus.LABELS).is_file() for folder in splits):
        return Likeness("ferplus", top)
    if affectnet.annotated(top):
        return Likeness("affectnet", top)
    for layout, classes in (("image_folders", [f for s in splits for f in subfolders(s)]), ("class_folders", inside)):
        names = {folder.name for folder in classes}
        numbers = {int(name) for name in names if name.isdecimal()}
        if len(numbers) > 1 and len(numbers) == len(names):
            fitting = [order for order in LABEL_ORDERS if numbers == set(numbers_of(order))]
            return Likeness(layout, top, {"label_order": "|".join(fitting) or "[NAMES]"})
        if sum(map(is_class, names)) > 1:
            return Likeness(layout, top)
    return None


def _of_files(top: Path, files: list[Path]) -> Likeness | None:
    for file in files:
        if file.suffix.lower() in (*tables.SUFFIXES, ".npz", ".npy") and (found := _of_file(file)):
            return found if found.layout == "fer2013_csv" else found._replace(path=top)
    return None


def _of_file(file: Path) -> Likeness | None:
    if file.suffix.lower() in (".npz", ".npy"):
        return Likeness("arrays", file)
    with contextlib.suppress(FerlabError), file.open("rb") as stream:
        fer2013_csv.header(file, stream.readline().removeprefix(b"\xef\xbb\xbf"), "train", None)
        return Likeness("fer2013_csv", file)
    with contextlib.suppress(FerlabError):
        next(tables.rows(file, {}), None)
        return Likeness("table", file.parent)
    return None
