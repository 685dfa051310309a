"""AffectNet (Mollahosseini et al. 2017) with an annotation file an image, as published, or as numbered folders."""

from dataclasses import replace
from pathlib import Path

from ferlab.data.faces import Faces
from ferlab.data.sources.arrays import load
from ferlab.data.sources.image_folders import only_folder, read_image_folders, split_of, subfolders
from ferlab.data.sources.images import Item
from ferlab.data.sources.reading import Reading
from ferlab.errors import FerlabError
from ferlab.images import files_under

IMAGES, ANNOTATIONS = "images", "annotations"


def read(path: Path, reading: Reading) -> Faces:
    """Faces of train_set/images/7.jpg beside train_set/annotations/7_exp.npy, and of val_set/; or of train/0 ... val/7.

    Contempt is left out and counted. Without a test set a share of train becomes it.

    Raises:
        FerlabError: an image without annotation, or as `Reading.faces`.
    """
    top = only_folder(path)
    if reading.label_order is None:
        reading = replace(reading, label_order="affectnet")
    folders = annotated(top)
    if not folders:
        return read_image_folders(path, reading)
    items: list[Item] = []
    used: list[Path] = []
    for folder in folders:
        used += files_under(folder / ANNOTATIONS)
        for file in files_under(folder / IMAGES):
            items.append(Item(file, _expression(folder / ANNOTATIONS / f"{file.stem}_exp.npy"), split_of(folder.name)))
    return reading.faces(top, items, used)


def annotated(top: Path) -> list[Path]:
    """The folders of splits with an annotation file an image."""
    splits = (folder for folder in subfolders(top) if split_of(folder.name) is not None)
    return [folder for folder in splits if (folder / IMAGES).is_dir() and (folder / ANNOTATIONS).is_dir()]


def _expression(file: Path) -> str:
    (value,) = load(file).values()
    if value.size != 1:
        raise FerlabError(f"{file} holds {value.size} values; expected the number of one expression")
    return str(value.item()).strip()
