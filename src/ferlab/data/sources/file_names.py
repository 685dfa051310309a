"""Data sets whose file names tell the person and the expression: JAFFE, KDEF and RaFD."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ferlab.data.faces import Faces
from ferlab.data.sources.image_folders import only_folder
from ferlab.data.sources.images import Item
from ferlab.data.sources.reading import Reading
from ferlab.errors import FerlabError
from ferlab.images import files_under

_IMAGE = (".tiff", ".tif", ".png", ".jpg", ".jpeg", ".bmp")
_FRONTAL, _ALL = "frontal", "all"


@dataclass(frozen=True)
class Names:
    """How a data set's files are named.

    Attributes:
        pattern: of the whole name, with the groups person, code and, where there are several, view.
        codes: the expression of each code.
        frontal: how `view` is written for a face from the front.
        example: a name.
    """

    title: str
    pattern: re.Pattern[str]
    codes: Mapping[str, str]
    example: str
    frontal: str = ""


NAMES = {
    "jaffe": Names(  # Lyons et al. 1998
        "JAFFE",
        re.compile(r"(?P<person>[A-Z]+)\.(?P<code>[A-Z]+)\d*\.\d+\.\w+", re.IGNORECASE),
        {code: code for code in ("AN", "DI", "FE", "HA", "NE", "SA", "SU")},
        "KA.AN1.39.tiff",
    ),
    "kdef": Names(  # Lundqvist, Flykt and Öhman 1998; A and B are two sessions of the same people
        "KDEF",
        re.compile(r"[AB](?P<person>[FM]\d\d)(?P<code>[A-Z]{2})(?P<view>FL|HL|S|HR|FR)\.\w+", re.IGNORECASE),
        {"AF": "afraid"} | {code: code for code in ("AN", "DI", "HA", "NE", "SA", "SU")},
        "AF01ANS.JPG",
        "S",
    ),
    "rafd": Names(  # Langner et al. 2010
        "RaFD",
        re.compile(
            r"Rafd(?P<view>\d{3})_(?P<person>\d+)_[a-z]+_[a-z]+_(?P<code>[a-z]+)_(frontal|left|right)\.\w+",
            re.IGNORECASE,
        ),
        {
            name.upper(): name
            for name in ("angry", "contemptuous", "disgusted", "fearful", "happy", "neutral", "sad", "surprised")
        },
        "Rafd090_01_Caucasian_female_angry_frontal.jpg",
        "090",
    ),
}


def read(path: Path, reading: Reading, layout: str, views: str = _FRONTAL) -> Faces:
    """Faces of the images anywhere below `path`; no person stands in two splits.

    Args:
        layout: a key of `NAMES`.
        views: `frontal`, or `all` with the faces that are turned away. Others are counted and named.

    Raises:
        FerlabError: no image, a name of another form or an unknown code, or as `Reading.faces`.
    """
    if views not in (_FRONTAL, _ALL):
        raise FerlabError(f"views is {views!r}; choose {_FRONTAL} or {_ALL}")
    names, top = NAMES[layout], only_folder(path)
    items = []
    for file in files_under(top):
        if file.suffix.lower() not in _IMAGE:
            continue  # archives come with a README and tables of ratings
        match = names.pattern.fullmatch(file.name)
        if match is None:
            raise FerlabError(f"{file}: expected a name like {names.example}; move other images away")
        code = match["code"].upper()
        if code not in names.codes:
            raise FerlabError(
                f"{file}: {code} is no expression of {names.title}; expected one of {', '.join(names.codes)}"
            )
        if not names.frontal or views == _ALL or match["view"].upper() == names.frontal:
            items.append(Item(file, names.codes[code], subject=match["person"].upper()))
    if not items:
        raise FerlabError(f"{path} holds no {names.title} image; expected names like {names.example}")
    return reading.faces(top, items)
