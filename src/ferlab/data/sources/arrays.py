"""Pairs of arrays in .npz or .npy files in, faces out: X_train and y_train, train_images and train_labels, ..."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ferlab.data.faces import Faces
from ferlab.data.sources.image_folders import only_folder, split_of
from ferlab.data.sources.images import Item
from ferlab.data.sources.reading import Reading
from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.images import SIDE, files_under

_SPLIT = re.compile(r"training|train|validation|valid|val|testing|test|publictest|privatetest")
# What is left of a name in lower case without "_", "-", blanks and the split; scripts write "mod" and "f" before it.
_IMAGES = re.compile(r"(mod)?x|f?data(x)?|images?|imgs?|pixels|faces|features")
_LABELS = re.compile(r"(mod)?y|f?labels?|targets?|emotions?|expressions?|classes")
_WANTED = "expected pairs as X_train and y_train, train_images and train_labels, or X and y, in .npz or .npy files"


class _Array(NamedTuple):
    name: str
    split: int | None
    values: np.ndarray


def read(path: Path, reading: Reading) -> Faces:
    """Faces of arrays of images [N,H,W], [N,H,W,C], [N,C,H,W] or [N,2304] and as many labels.

    Images are whole numbers 0..255, or floating point in 0..1 or 0..255. Labels are numbers, one-hot rows or names.

    Raises:
        FerlabError: no pairs, another form or range (standardised images too), pickled objects, or as `Reading.faces`.
    """
    top = path if path.is_file() else only_folder(path)
    files = [path] if path.is_file() else [f for f in files_under(top) if f.suffix.lower() in (".npz", ".npy")]
    known = [array for file in files for array in _arrays(file)]
    pairs = _pairs(path, known)
    largest = max((float(images.values.max(initial=0)) for images, _ in pairs), default=0)
    folder = top if top.is_dir() else top.parent
    items: list[Item] = []
    for images, labels in pairs:
        names, faces = _names(path, labels), _by_face(path, images, largest)
        if len(names) != len(faces):
            raise FerlabError(f"{path}: {images.name} has {len(faces)} faces, {labels.name} {len(names)} labels")
        for i, (face, name) in enumerate(zip(faces, names, strict=True)):
            picture = Image.fromarray(_grey_levels(face, largest))
            items.append(Item(folder / f"{images.name}, row {i}", name, images.split, content=picture))
    return reading.faces(top, items, files)


def load(file: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz by name, or that of an .npy by the file's.

    Raises:
        FerlabError: unreadable, damaged, or with pickled objects.
    """
    try:
        content = np.load(file, mmap_mode="r" if file.suffix.lower() == ".npy" else None, allow_pickle=False)
        return {file.stem: content} if isinstance(content, np.ndarray) else {key: content[key] for key in content}
    except Exception as error:  # a damaged header raises SyntaxError, TokenError, struct.error and more
        raise FerlabError(
            f"{file} cannot be read ({error}); expected arrays of numbers, saved without pickle"
        ) from None


def _arrays(file: Path) -> Iterator[_Array]:
    named = load(file)
    for name, values in named.items():
        plain = re.sub(r"[\s_-]", "", name.lower())
        found = _SPLIT.search(plain) or _SPLIT.search(file.stem.lower())  # train.npz with x and y, test.npz with them
        yield _Array(name, split_of(found[0]) if found else None, values)


def _pairs(path: Path, known: list[_Array]) -> list[tuple[_Array, _Array]]:
    """(images, labels) of each split.

    Raises:
        FerlabError: none, or an array without its partner, or of a name that tells neither.
    """
    images, labels = ({a.split: a for a in known if pattern.fullmatch(_kind(a.name))} for pattern in (_IMAGES, _LABELS))
    used = [*images.values(), *labels.values()]
    others = [a.name for a in known if not any(a is array for array in used)]
    if not images or images.keys() != labels.keys() or others:
        names = ", ".join(a.name for a in known) or "none"
        raise FerlabError(f"{path} holds the arrays {names}; {_WANTED}. Rename them or move others away")
    return [(images[split], labels[split]) for split in sorted(images, key=lambda code: -1 if code is None else code)]


def _kind(name: str) -> str:
    return _SPLIT.sub("", re.sub(r"[\s_-]", "", name.lower()), count=1)


def _names(path: Path, labels: _Array) -> list[str]:
    """A label a face as text: a number or a name."""
    values = labels.values
    if values.ndim == 2 and values.shape[1] in (K, K + 1):
        hot = values.argmax(1)
        if not np.array_equal(values, np.eye(values.shape[1])[hot]):
            raise FerlabError(
                f"{path}: {labels.name} has rows that are not one-hot; expected numbers, names or one-hot"
            )
        values = hot
    values = values.reshape(len(values), -1)
    if values.shape[1] != 1:
        raise FerlabError(
            f"{path}: {labels.name} is {list(labels.values.shape)}; expected [N], [N,1] or one-hot [N,{K}]"
        )
    if values.dtype.kind == "f" and np.array_equal(values, np.rint(values)):
        values = values.astype(np.int64)
    return [text.decode() if isinstance(text, bytes) else str(text) for text in values[:, 0].tolist()]


def _by_face(path: Path, images: _Array, largest: float) -> np.ndarray:
    """Images of any of the forms as [N,H,W] or [N,H,W,3], of values that are grey levels or shares of them."""
    values = images.values
    if values.ndim == 2 and values.shape[1] == SIDE * SIDE:
        values = values.reshape(-1, SIDE, SIDE)
    if values.ndim == 4 and values.shape[1] in (1, 3) and values.shape[3] not in (1, 3):
        values = np.moveaxis(values, 1, 3)
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if not values.size or not (values.ndim == 3 or (values.ndim == 4 and values.shape[3] == 3)):
        raise FerlabError(f"{path}: {images.name} is {list(images.values.shape)}; expected [N,48,48] or the like")
    if values.dtype.kind not in "uif" or not (values.min() >= 0 and largest <= 255):  # of NaN neither holds
        raise FerlabError(
            f"{path}: {images.name} is {values.dtype}, {values.min()} to {values.max()}; expected 0 to 255, or 0 to 1 "
            "in floating point. Standardised images cannot be turned back: save them before"
        )
    return values


def _grey_levels(face: np.ndarray, largest: float) -> np.ndarray:
    return np.rint(face * (255.0 if face.dtype.kind == "f" and largest <= 1 else 1)).astype(np.uint8)
