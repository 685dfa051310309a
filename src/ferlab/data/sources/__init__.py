"""A path in, `Faces` out: one reader for each layout of raw data."""

import inspect
import logging
import re
import tempfile
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

from ferlab.data.faces import Faces
from ferlab.data.sources import (
    affectnet,
    archives,
    arrays,
    ck_plus,
    fer2013,
    fer2013_csv,
    ferplus,
    file_names,
    image_folders,
    tables,
)
from ferlab.data.sources.likeness import hinted
from ferlab.data.sources.reading import with_reading
from ferlab.errors import FerlabError
from ferlab.files import shown
from ferlab.images import files_under

# What a layout's folder holds, for the message when it is not there; fer2013 and ferplus have their own messages.
_EXPECTED = {
    "fer2013_csv": "a csv with the columns emotion, pixels and Usage",
    "image_folders": "the folders train/CLASS and, where there are such, val/CLASS and test/CLASS",
    "class_folders": "one folder of images per class: happy/1.png, sad/2.jpg, ...",
    "table": "images, and a csv of their names and labels",
    "arrays": "an .npz, or .npy files as X_train.npy and y_train.npy",
    "affectnet": "train_set/images/7.jpg beside train_set/annotations/7_exp.npy, and val_set; or train/0 ... val/7",
    "ck_plus": "cohn-kanade-images/S005/001/S005_001_00000001.png and the others, beside "
    "Emotion/S005/001/S005_001_00000011_emotion.txt; or class folders like happy/S010_004_00000017.png",
    **{layout: f"{names.example} and the others" for layout, names in file_names.NAMES.items()},
}
ARCHIVES = archives.SUFFIXES
_UNPACKED = "unpacked"  # folder for the content of an archive
_LOG = logging.getLogger(__name__)  # above those of the readers
_DRAWING = [Path(__file__).parents[1] / name for name in ("drawn.py", "drawn_figure.py")]


def _read_drawn(path: Path | None, n_train: int, n_val: int, n_test: int, seed: int) -> Faces:
    from ferlab.data.drawn import draw  # nobody with real data needs the code that draws

    return draw(n_train, n_val, n_test, seed)


LAYOUTS: dict[str, Callable[..., Faces]] = {
    "fer2013": fer2013.read,
    "fer2013_csv": fer2013_csv.read,
    "image_folders": with_reading(image_folders.read_image_folders),
    "class_folders": with_reading(image_folders.read_class_folders),
    "table": with_reading(tables.read),
    "arrays": with_reading(arrays.read),
    "ferplus": ferplus.read,
    "affectnet": with_reading(affectnet.read),
    "ck_plus": with_reading(ck_plus.read, numbers=False),
    "jaffe": with_reading(partial(file_names.read, layout="jaffe", views="all"), numbers=False),
    "kdef": with_reading(partial(file_names.read, layout="kdef"), numbers=False),
    "rafd": with_reading(partial(file_names.read, layout="rafd"), numbers=False),
    "drawn": _read_drawn,
}


def read(layout: str, path: Path | None, **options: Any) -> Faces:
    """Faces of the raw data at `path`: a folder, a csv, or a zip or tar of what would be in the folder.

    Raises:
        FerlabError: unknown layout or option, or `path` holds something else than the layout's files.
    """
    check_options(layout, options)
    if path is not None and archives.is_archive(path):
        with tempfile.TemporaryDirectory() as temp:
            folder = Path(temp) / _UNPACKED
            archives.unpack(path, folder)
            try:
                with hinted(layout, folder, path):
                    return _read_unpacked(layout, folder, options)
            except FerlabError as error:
                raise FerlabError(str(error).replace(str(folder), str(path))) from None
    with hinted(layout, path):
        return LAYOUTS[layout](path, **options)


def _read_unpacked(layout: str, folder: Path, options: Mapping[str, Any]) -> Faces:
    if layout != "fer2013_csv":
        return LAYOUTS[layout](image_folders.only_folder(folder), **options)
    found = [file for file in files_under(folder) if file.suffix.lower() == ".csv"]
    if len(found) != 1:
        raise FerlabError(f"{folder} holds {len(found)} csv files; expected one. Or use layout: fer2013")
    return fer2013_csv.read(found[0], **options)


class LeftOut(logging.Handler):
    """Collects what the readers report as left out while it is entered, for the record of a store."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        _, words, rest = record.getMessage().partition("left out ")
        if words:
            self._found.append(shown(words + rest))

    def __enter__(self) -> Self:
        _LOG.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        _LOG.removeHandler(self)

    def lines(self, raw: Path | None) -> list[str]:
        """One line each, without the place of the raw data on this machine."""
        inside = (re.sub(rf"\S*/{_UNPACKED}/", "", line) for line in self._found)
        return [line if raw is None else line.replace(f"{raw}/", "").replace(str(raw), raw.name) for line in inside]


def raw_files(layout: str, path: Path | None) -> list[Path]:
    """The files that `read` would read, in a fixed order; their bytes decide whether a store is still good.

    Raises:
        FerlabError: they are not there.
    """
    if path is None:  # faces are drawn
        return _DRAWING
    if path.is_file():
        return [path]
    if layout in ("fer2013", "ferplus"):
        with hinted(layout, path):
            return (fer2013 if layout == "fer2013" else ferplus).raw_files(path)
    if not path.is_dir():
        raise FerlabError(f"{path} is not there; layout {layout} expects there {_EXPECTED[layout]}. See data/README.md")
    return list(files_under(path))


def check_options(layout: str, options: Collection[str]) -> None:
    """Raise FerlabError unless the layout exists and its reader takes these options, with all that it needs."""
    if layout not in LAYOUTS:
        raise FerlabError(f"layout is {layout!r}; choose one of {', '.join(LAYOUTS)}")
    parameters = options_of(layout)
    unknown = [name for name in options if name not in parameters]
    if unknown:
        allowed = ", ".join(parameters) or "none"
        raise FerlabError(f"layout {layout} knows no option {', '.join(unknown)}; its options: {allowed}")
    missing = [name for name, p in parameters.items() if p.default is p.empty and name not in options]
    if missing:
        raise FerlabError(f"layout {layout} needs {', '.join(missing)} as well")


def options_of(layout: str) -> dict[str, inspect.Parameter]:
    """The options of a layout's reader by name; none of an unknown layout."""
    parameters = dict(inspect.signature(LAYOUTS[layout]).parameters) if layout in LAYOUTS else {}
    parameters.pop("path", None)
    return parameters
