"""JAFFE (Lyons et al. 1998): subject and expression stand in names like KA.AN1.39.tiff."""

import re
from pathlib import Path

from ferlab.data.faces import Faces
from ferlab.data.sources import splits
from ferlab.data.sources.image_folders import faces_of, only_folder, with_split
from ferlab.errors import FerlabError
from ferlab.expressions import index_of
from ferlab.images import files_under

CODES = ("AN", "DI", "FE", "HA", "NE", "SA", "SU")
_IMAGE = (".tiff", ".tif", ".png", ".jpg", ".jpeg", ".bmp")
_NAME = re.compile(r"([A-Z]+)\.([A-Z]+)\d*\.\d+\.\w+", re.IGNORECASE)


def read(path: Path, split: str | None = None, seed: int = 0, strict: bool = True) -> Faces:
    """Faces of JAFFE, anywhere below `path`; without `split`, no subject stands in two splits.

    Raises:
        FerlabError: no image, a name of another form or an unknown expression code, or a damaged image (if `strict`).
    """
    top = only_folder(path)
    labelled, initials = [], []
    for file in files_under(top):
        if file.suffix.lower() not in _IMAGE:
            continue  # the archive comes with a README and a table of ratings
        match = _NAME.fullmatch(file.name)
        if match is None:
            raise FerlabError(f"{file}: expected a name like KA.AN1.39.tiff; move other images away")
        code = match[2].upper()
        label = index_of(code) if code in CODES else None
        if label is None:
            raise FerlabError(f"{file}: {code} is no expression of JAFFE; expected one of {', '.join(CODES)}")
        labelled.append((file, label))
        initials.append(match[1].upper())
    if not labelled:
        raise FerlabError(f"{path} holds no JAFFE image; expected names like KA.AN1.39.tiff")
    number = {name: i for i, name in enumerate(sorted(set(initials)))}
    faces = faces_of(top, labelled, strict, [number[name] for name in initials])
    return with_split(faces, splits.by_group([initials[i] for i in faces.row], split, seed))
