"""A folder with FER2013 in whichever form it was downloaded: a csv or image folders."""

import logging
from pathlib import Path

from ferlab.data.faces import Faces
from ferlab.data.sources import fer2013_csv, image_folders
from ferlab.data.sources.reading import Reading, log_left_out
from ferlab.errors import FerlabError
from ferlab.images import files_under
from ferlab.inference.label_orders import Order

log = logging.getLogger(__name__)

CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")


def read(path: Path, strict: bool = True, strict_md5: bool = False, label_order: Order | None = None) -> Faces:
    """Faces of FER2013 from `path`/fer2013.csv, icml_face_data.csv, or train/CLASS and test/CLASS, the first found.

    Raises:
        FerlabError: none of them is there, or as the reader of the one found.
    """
    csv = find_csv(path)
    if csv:
        log.info("reading %s", csv)
        log_left_out(path, [csv])
        return fer2013_csv.read(csv, strict, strict_md5, label_order=label_order)
    reading = Reading(strict=strict, label_order=label_order)
    return image_folders.read_image_folders(_images(path), reading, names=True)


def raw_files(path: Path) -> list[Path]:
    """The files that `read` reads."""
    csv = find_csv(path)
    return [csv] if csv else list(files_under(_images(path)))


def find_csv(path: Path) -> Path | None:
    """The csv with all three splits in a folder, or in a folder `fer2013` in it, as Kaggle's archive has; else None."""
    places = [folder / name for folder in (path, path / "fer2013") for name in CSV_NAMES]
    return next((place for place in places if place.is_file()), None)


def _images(path: Path) -> Path:
    if path.is_dir():
        top = image_folders.only_folder(path)
        names = {entry.name.lower() for entry in top.iterdir()}
        if len({image_folders.split_of(name) for name in names} - {None}) > 1:
            return top
        if "test.csv" in names or "train.csv" in names:
            raise FerlabError(
                f"{path} holds train.csv or test.csv alone, and Kaggle's test.csv has no labels; expected "
                f"{path}/fer2013.csv or {path}/icml_face_data.csv, which the same competition offers. To train on "
                "train.csv alone: layout: fer2013_csv, path: .../train.csv, split: train"
            )
    raise FerlabError(
        f"no FER2013 in {path}; expected {path}/fer2013.csv, or {path}/icml_face_data.csv, or the folders "
        f"{path}/train/angry ... {path}/test/neutral. See data/README.md for where to get them"
    )
