"""Image files whose label, and perhaps split and person, is known in, faces out: one set of rules for all layouts."""

import inspect
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ferlab.data.faces import SPLITS, Faces, hard_targets
from ferlab.data.sources import numbered, splits
from ferlab.data.sources.fer2013_rows import USAGES
from ferlab.data.sources.images import Item, decode_all
from ferlab.errors import FerlabError
from ferlab.expressions import index_of
from ferlab.images import files_under, suffixes
from ferlab.inference.label_orders import LABEL_ORDERS, Order, numbers_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reading:
    """Options of every layout of image files.

    Attributes:
        split: puts all faces into one split.
        seed: of the hash that divides faces.
        strict: False leaves out files that are no images and counts them.
        val_share, test_share: of the subjects or different faces, where a layout has no such split.
        crop: what of a picture is the face: `centre`, its centre square; `face`, what the detector finds; `stretch`,
            all of it, squashed where it is not square.
        label_order: how the classes are numbered.
    """

    split: str | None = None
    seed: int = 0
    strict: bool = True
    val_share: float = splits.SHARE
    test_share: float = splits.SHARE
    crop: str = "centre"
    label_order: Order | None = None

    def faces(self, top: Path, items: Sequence[Item], used: Collection[Path] = ()) -> Faces:
        """Decode items; `row` counts those of FER2013's classes, `files` are relative to `top`.

        Official splits stay. Where there is none, or no val or no test, a share of the subjects (or of the different
        faces) becomes it, by a seeded hash. Faces of other classes, and files that are neither items nor `used`, are
        counted and named.

        Raises:
            FerlabError: no items, labels that are not known, splits that contradict each other or `split`, or a file
                that is no image (if `strict`).
        """
        log_left_out(top, {item.file for item in items}.union(used))
        stated = np.array([-1 if item.split is None else item.split for item in items], np.int64)
        stated = _official(items, stated)
        self._refuse_other_split(items, stated)
        labels = _labels(top, items, self, stated)
        kept = np.flatnonzero(labels >= 0)
        if len(kept) < len(items):
            log.info("%s: left out %d faces of classes that FER2013 lacks", top, len(items) - len(kept))
        if not len(kept):
            raise FerlabError(f"{top}: {'only' if items else 'no faces, also none'} of classes that FER2013 lacks")
        items, labels, stated = [items[int(i)] for i in kept], labels[kept], stated[kept]
        pixels, row = decode_all(items, self.strict, self.crop)
        if not len(row):
            raise FerlabError(f"{top}: none of its {len(items)} files is an image; expected PNG, JPEG or the like")
        items_read = [items[i] for i in row]
        keys = [
            pixels[i].tobytes() if item.subject is None else item.subject.encode() for i, item in enumerate(items_read)
        ]
        return Faces(
            pixels,
            hard_targets(labels[row]),
            splits.divide(stated[row], keys, self.split, self.seed, self.val_share, self.test_share),
            _subjects(items)[row],
            row.astype(np.int32),
            [_name(item.file, top) for item in items],
        )

    def _refuse_other_split(self, items: Sequence[Item], stated: np.ndarray) -> None:
        if self.split is None or self.split not in SPLITS:
            return
        for item, code in zip(items, stated, strict=True):
            if code >= 0 and official_split(item.file.name) is not None and SPLITS[code] != self.split:
                raise FerlabError(
                    f"{item.file} is of FER2013's {item.file.name.split('_')[0]} by its name, and split is "
                    f"{self.split}; leave split out, or move such files away"
                )


def with_reading(reader: Callable[..., Faces], numbers: bool = True) -> Callable[..., Faces]:
    """A reader (path, reading, own options) as (path, own options, those of `Reading`); `numbers`: with label_order."""
    given = {"path", "reading", *getattr(reader, "keywords", ())}  # those of a partial
    own = [p for name, p in inspect.signature(reader).parameters.items() if name not in given]
    common = [f for f in fields(Reading) if numbers or f.name != "label_order"]

    def read(path: Path, **options: Any) -> Faces:
        shared = {f.name: options.pop(f.name) for f in common if f.name in options}
        return reader(path, Reading(**shared), **options)

    keyword = inspect.Parameter.KEYWORD_ONLY
    read.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter("path", inspect.Parameter.POSITIONAL_OR_KEYWORD),
            *(p.replace(kind=keyword) for p in own),
            *(inspect.Parameter(f.name, keyword, default=f.default) for f in common),
        ]
    )
    return read


def official_split(name: str) -> int | None:
    """Code of the split that a file's name tells, as Kaggle's image folders have it (PublicTest_12.jpg)."""
    first, underscore, _ = name.partition("_")
    return USAGES.get(first.lower()) if underscore else None


def log_left_out(top: Path, known: Collection[Path]) -> None:
    """Count and name the files below `top` that are not known: a warning where there are images among them."""
    others = [file for file in files_under(top) if file not in known] if top.is_dir() else []
    if others:
        pictures = any(file.suffix.lower() in suffixes() for file in others)
        some = ", ".join(_name(file, top) for file in others[:3])
        log.log(
            logging.WARNING if pictures else logging.INFO,
            "%s: left out %d files that are none of its faces, as %s",
            *(top, len(others), some),
        )


def _official(items: Sequence[Item], stated: np.ndarray) -> np.ndarray:
    """The stated splits [N] with those that names tell."""
    of_name = np.array([-1 if (code := official_split(item.file.name)) is None else code for item in items], np.int64)
    if not (of_name >= 0).any():
        return stated
    for item, name, folder in zip(items, of_name, stated, strict=True):
        if name >= 0 and folder >= 0 and name != folder:
            raise FerlabError(
                f"{item.file} is of {item.file.name.split('_')[0]} by its name and of {SPLITS[folder]} by its folder; "
                "unpack the archive again"
            )
        if name < 0 and folder < 0:
            raise FerlabError(
                f"{item.file}: its name should begin with Training_, PublicTest_ or PrivateTest_, as others' do; move "
                "it away, or rename all files"
            )
    return np.where(of_name >= 0, of_name, stated)


def _labels(top: Path, items: Sequence[Item], reading: Reading, stated: np.ndarray) -> np.ndarray:
    """FER2013's class of each item, -1 for one that it lacks."""
    if not items:
        return np.zeros(0, np.int64)
    if all(item.label.strip().isdecimal() for item in items):
        return _numbered(top, items, reading, stated)
    if reading.label_order is not None:
        raise FerlabError(f"{top}: its classes have names, and label_order is for numbers; leave it out")
    known: dict[str, int] = {}
    for item in items:
        if item.label not in known:
            try:
                found = index_of(item.label)
            except FerlabError as error:
                raise FerlabError(f"{item.file}: {error}. Rename it or move it away") from None
            known[item.label] = -1 if found is None else found
    labels = np.array([known[item.label] for item in items])
    numbered.refuse_exchanged(top, labels, stated)
    return labels


def _numbered(top: Path, items: Sequence[Item], reading: Reading, stated: np.ndarray) -> np.ndarray:
    numbers = np.array([int(item.label) for item in items])
    if reading.label_order is None:
        found = set(numbers.tolist())
        fitting = [name for name in LABEL_ORDERS if found == set(numbers_of(name))]
        fitting = fitting or [name for name in LABEL_ORDERS if found <= set(numbers_of(name))]
        raise FerlabError(
            f"{top}: its classes are the numbers {numbers.min()} to {numbers.max()}, and nothing shows which is which; "
            f"give data.label_order, one of {', '.join(fitting or LABEL_ORDERS)}, or the names from number 0 on"
        )
    outside = ~np.isin(numbers, numbers_of(reading.label_order))
    if outside.any() and reading.strict:
        i = int(outside.argmax())
        raise FerlabError(
            f"{items[i].file}: class {numbers[i]} is none of the label order {reading.label_order}; give another "
            "order, or leave such faces out with strict: false"
        )
    if outside.any():
        others = ", ".join(map(str, np.unique(numbers[outside])))
        log.warning("%s: left out %d faces of classes %s, which the label order lacks", top, outside.sum(), others)
    labels = np.full(len(items), -1)
    split = np.where(stated < 0, len(SPLITS), stated)[~outside].astype(np.uint8)
    labels[~outside] = numbered.labels_of(top, numbers[~outside], split, reading.label_order)[0]
    return labels


def _subjects(items: Sequence[Item]) -> np.ndarray:
    """A number for each person, int32 [N], -1 where unknown."""
    number = {name: i for i, name in enumerate(sorted({item.subject for item in items if item.subject is not None}))}
    return np.array([-1 if item.subject is None else number[item.subject] for item in items], np.int32)


def _name(file: Path, top: Path) -> str:
    return file.relative_to(top).as_posix() if file.is_relative_to(top) else file.name
