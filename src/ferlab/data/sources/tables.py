"""A table of image files and labels in, faces out: csv with a header, RAF-DB's and ExpW's lists, and parquet."""

import csv
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ferlab.data.faces import Faces
from ferlab.data.sources.image_folders import only_folder, split_of
from ferlab.data.sources.images import Item
from ferlab.data.sources.reading import Reading, log
from ferlab.errors import FerlabError
from ferlab.images import Box, files_under, suffixes

SUFFIXES = (".csv", ".tsv", ".txt", ".lst", ".parquet")
# What a column may be called, in lower case and without "_", "-", "." and blanks; the first that is there counts.
COLUMNS = {
    "file": (
        *("file", "filename", "filepath", "path", "image", "imagename", "imagepath"),
        *("img", "imgname", "imgpath", "pth", "subdirectoryfilepath"),
    ),
    "label": ("label", "labels", "emotion", "expression", "class", "target", "category"),
    "split": ("split", "usage", "set", "subset", "partition"),
    "subject": ("subject", "subjectid", "person", "personid", "identity"),
    "left": ("facex",),  # AffectNet's box
    "top": ("facey",),
    "width": ("facewidth",),
    "height": ("faceheight",),
}
# Lists without a header, by their number of fields: RAF-DB's `train_00001.jpg 5`, and ExpW's `angry_actor_104.jpg 0 28
# 113 226 141 22.9362 0`: file, face, top, left, right, bottom, confidence, label.
_LISTS: Mapping[int, Mapping[str, int]] = {
    2: {"file": 0, "label": 1},
    8: {"file": 0, "top": 2, "left": 3, "right": 4, "bottom": 5, "label": 7},
}
_PREFIXES = {"train": 0, "val": 1, "test": 2}  # of RAF-DB's file names


def read(path: Path, reading: Reading, table: str | None = None, columns: Mapping[str, str] | None = None) -> Faces:
    """Faces of the images below the folder `path` that a table in it lists by file and label.

    The split stands in a column, else in the folders or at the beginning of a file's name (train_00001.jpg), else in
    the names of several tables (train.csv, test.csv). RAF-DB's aligned faces are preferred to its originals.

    Args:
        table: the table's path in the folder, where several files may be one.
        columns: names of the columns file, label, split and subject that `COLUMNS` does not know.

    Raises:
        FerlabError: no table or several, a row without file or label (if `strict`), or as `Reading.faces`.
    """
    top = only_folder(path)
    files = list(files_under(top))
    tables = _tables(top, files, table, columns or {})
    places, items, faults = _Places(files), [], []
    for file in tables:
        of_table = split_of(re.split(r"[-_.]", file.stem)[0]) if len(tables) > 1 else None
        for number, row in rows(file, columns or {}):
            try:
                items.append(_item(row, file, places, of_table))
            except (FerlabError, ValueError) as error:
                faults.append(f"{file}, {number}: {error}")
                if reading.strict:
                    raise FerlabError(f"{faults[0]}; leave such rows out with strict: false") from None
    if faults:
        log.warning("left out %d of %d rows; the first: %s", len(faults), len(faults) + len(items), faults[0])
    return reading.faces(top, _once(items), tables)


def _tables(top: Path, files: Sequence[Path], table: str | None, columns: Mapping[str, str]) -> list[Path]:
    """The table that is named, or the only one there, or several that are named after splits."""
    if table is not None:
        if top / table not in files:
            raise FerlabError(f"{top / table} is not there; expected the table of files and labels")
        return [top / table]
    faults, found = [], []
    for file in (file for file in files if file.suffix.lower() in SUFFIXES):
        try:
            next(rows(file, columns), None)
            found.append(file)
        except FerlabError as error:
            faults.append(str(error))
    if not found:
        raise FerlabError(faults[0] if faults else f"{top} holds no table of files and labels, as labels.csv")
    if len(found) > 1 and any(split_of(re.split(r"[-_.]", file.stem)[0]) is None for file in found):
        names = ", ".join(file.relative_to(top).as_posix() for file in found[:4])
        raise FerlabError(f"{top} holds {len(found)} tables: {names}; give the one to read with table: NAME")
    return found


class _Places:
    """Files by what a table calls them; nothing outside the folder can be named."""

    def __init__(self, files: Collection[Path]):
        self.by_name: dict[str, list[Path]] = defaultdict(list)
        for file in files:
            self.by_name[file.name].append(file)
            if file.suffix.lower() in suffixes():
                self.by_name[file.stem].append(file)  # some tables leave the suffix out

    def find(self, name: str) -> Path:
        """The file that a table calls `name`: RAF-DB's aligned one, else by as much of its path as is given."""
        parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", ".", "..")]
        if not parts:
            raise FerlabError("no file; expected its name")
        last = PurePosixPath(parts[-1])
        known = self.by_name.get(f"{last.stem}_aligned{last.suffix}") or self.by_name.get(last.name, [])
        exact = [file for file in known if file.parts[-len(parts) : -1] == tuple(parts[:-1])]
        found = exact or known
        if len(found) != 1:
            count = "is not there" if not found else f"stands in {len(found)} folders"
            raise FerlabError(f"{name} {count}; expected one such file, or its path")
        return found[0]


def _item(row: Mapping[str, Any], table: Path, places: _Places, of_table: int | None) -> Item:
    if not row:
        raise FerlabError("fewer fields than in line 1; is the row cut?")
    label = re.sub(r"^(\d+)\.0+$", r"\1", str(row["label"]).strip())  # numbers that pandas wrote as 3.0
    if label in ("", "nan", "None"):
        raise FerlabError("no label")
    split, subject = row.get("split"), str(row.get("subject", "")).strip() or None
    if split is not None and (code := split_of(str(split))) is None:
        raise FerlabError(f"split is {split!r}; expected train, val or test, or FER2013's names of them")
    if isinstance(row["file"], bytes):
        pseudo = table.with_name(f"{table.name}, {row['row']}")
        return Item(pseudo, label, code if split is not None else of_table, subject, content=row["file"])
    file = places.find(str(row["file"]))
    if split is None:
        folders = [
            found for part in PurePosixPath(str(row["file"])).parts[:-1] if (found := split_of(part)) is not None
        ]
        prefix = _PREFIXES.get(file.name.split("_")[0].lower()) if "_" in file.name else None
        code = next((known for known in (*folders[:1], prefix, of_table) if known is not None), None)
    return Item(file, label, code, subject, _box(row))


def _box(row: Mapping[str, Any]) -> Box | None:
    if "left" not in row or "top" not in row:
        return None
    left, top = float(row["left"]), float(row["top"])
    if "right" in row:
        return left, top, float(row["right"]), float(row["bottom"])
    return left, top, left + float(row["width"]), top + float(row["height"])


def _once(items: list[Item]) -> list[Item]:
    """The items, of which no two may be one face."""
    known: dict[tuple[Path, Box | str | None], str] = {}
    for item in items:
        before = known.setdefault((item.file, item.box), item.label)
        if before != item.label:
            raise FerlabError(f"{item.file} stands in the table twice, as {before} and as {item.label}; keep one row")
    return list({(item.file, item.box): item for item in items}.values())


def rows(file: Path, columns: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(`line 2`, values by role) of each row of a table; no values where fields are missing.

    Raises:
        FerlabError: the file is no table of files and labels.
    """
    if file.suffix.lower() == ".parquet":
        yield from _parquet(file, columns)
        return
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            lines = _fields(stream)
            first = next(lines, [])
            header = _columns(file, first, columns)
            places = _LISTS[len(first)] if header is None else header
            if header is None:
                yield "line 1", {role: first[place] for role, place in places.items()}
            for number, fields in enumerate(lines, 2):
                whole = len(fields) > max(places.values())
                yield f"line {number}", {role: fields[place] for role, place in places.items()} if whole else {}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FerlabError(f"{file} is no table ({error}); expected a csv of files and labels") from None


def _fields(stream: Iterable[str]) -> Iterator[list[str]]:
    lines = iter(stream)
    first = next(lines, "")
    separator = next((mark for mark in ",\t;" if mark in first), None)
    whole = (line for part in ([first], lines) for line in part)
    rows = csv.reader(whole, delimiter=separator, strict=True) if separator else (line.split() for line in whole)
    return (fields for fields in rows if any(map(str.strip, fields)))


def _columns(file: Path, header: Sequence[str], stated: Mapping[str, str]) -> dict[str, int] | None:
    """Where in a header each role stands; None where it is the first row of a list that needs none."""
    plain = [re.sub(r"[\s._-]", "", name).lower() for name in header]
    known = {role: [plain.index(name) for name in names if name in plain] for role, names in COLUMNS.items()}
    known |= {role: [i for i, found in enumerate(header) if found.strip() == name] for role, name in stated.items()}
    if known["file"] and known["label"]:
        return {role: places[0] for role, places in known.items() if places}
    if not stated and len(header) in _LISTS and Path(header[0]).suffix.lower() in suffixes():
        return None
    found = ", ".join(header)[:100]
    raise FerlabError(
        f"{file}, line 1: expected a column for the file and one for the label, as image,label; found {found}. Name "
        "others with columns: {file: ..., label: ...}"
    )


def _parquet(file: Path, columns: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a parquet as Hugging Face has them: an image is its bytes, or {bytes, path}."""
    import pandas as pd

    try:
        frame = pd.read_parquet(file)
    except ImportError:
        raise FerlabError(f"{file}: reading parquet needs pyarrow; pip install 'ferlab[parquet]'") from None
    except (OSError, ValueError) as error:
        raise FerlabError(f"{file} is no parquet ({error}); download it again") from None
    places = _columns(file, [str(name) for name in frame.columns], columns) or {}
    for number, values in enumerate(frame.itertuples(index=False)):
        row = {role: values[place] for role, place in places.items()}
        image = row["file"]
        if isinstance(image, Mapping):
            row["file"] = image.get("bytes") or image.get("path") or ""
        yield f"row {number}", {**row, "row": f"row {number}"}
