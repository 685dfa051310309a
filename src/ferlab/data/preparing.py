"""python -m ferlab.prepare data=fer2013: raw data -> stores, a table of what is in them, and a data card each."""

import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NotRequired

import numpy as np
from typing_extensions import TypedDict

from ferlab import files
from ferlab.data import leaks, store
from ferlab.data.faces import SPLITS, Faces
from ferlab.data.sources.fer2013_csv import MD5
from ferlab.data.store_folder import CARD
from ferlab.errors import FerlabError

log = logging.getLogger(__name__)


class Checksum(TypedDict):
    """md5 of a csv that has a published one."""

    file: str
    found: str
    published: str


class Card(TypedDict):
    """Facts that a reader needs before trusting a number measured on a data set.

    Keys:
        counts: of each split the faces of each expression.
        subjects: number of persons, 0 where unknown.
        duplicates: `leaks.Leaks`.
        left_out: lines on the files, rows and faces of the raw data that are not in it.
        build_s: seconds that the store took.
        raw_sha256: of the raw file; of several: of their sums in turn.
        auxiliary: True where all faces are for training.
        in_val_or_test: `leaks.Twins.counts` of auxiliary faces.
    """

    name: str
    layout: str
    options: dict[str, Any]
    faces: int
    counts: dict[str, dict[str, int]]
    subjects: int
    duplicates: dict[str, Any]
    left_out: list[str]
    build_s: float | None
    raw_files: int
    raw_bytes: int
    raw_sha256: str
    pixels_sha256: str
    auxiliary: NotRequired[bool]
    md5: NotRequired[Checksum]
    in_val_or_test: NotRequired[dict[str, int]]


def prepare(config: Mapping[str, Any]) -> list[Card]:
    """Open or build the stores of `config` (conf/prepare.yaml, resolved), and write and return a card of each.

    Raises:
        FerlabError: as `store.open_config`.
    """
    data = config["data"]
    started = time.perf_counter()
    opened = store.open_each(data)
    log.info("opened %d stores in %.1f s", len(opened), time.perf_counter() - started)
    stores = Path(data["root"]) / store.STORES
    evaluated = np.concatenate([part.faces.pixels[part.faces.split != 0] for part in opened if not part.auxiliary])
    cards: list[Card] = []
    for part in opened:
        card = _card(part, stores, config["near"])
        if part.auxiliary:
            card["in_val_or_test"] = leaks.twins_in(part.faces.pixels, evaluated).counts()
        place = stores / part.name / CARD
        try:
            files.write_json(place, card)
        except FerlabError as error:
            log.warning("%s", error)
        cards.append(card)
    return cards


def _card(part: store.Opened, stores: Path, near: bool) -> Card:
    faces, facts = part.faces, store.facts(stores, part.name)
    raw = facts.pop("raw")
    total = hashlib.sha256("".join(entry["sha256"] for entry in raw).encode()).hexdigest()
    card: Card = {
        "name": part.name,
        "layout": facts["layout"],
        "options": facts["options"],
        "faces": len(faces),
        "counts": {split: faces.class_counts(split) for split in SPLITS},
        "subjects": _subjects(faces),
        "duplicates": asdict(leaks.find(faces, near)),
        "left_out": facts.get("left_out", []),
        "build_s": facts.get("build_s"),
        "raw_files": len(raw),
        "raw_bytes": sum(entry["size"] for entry in raw),
        "raw_sha256": raw[0]["sha256"] if len(raw) == 1 else total,
        "pixels_sha256": facts["arrays"]["pixels"]["sha256"],
    }
    if part.auxiliary:
        card["auxiliary"] = True
    if md5 := _md5(part):
        card["md5"] = md5
    return card


def _md5(part: store.Opened) -> Checksum | None:
    known = [file for file in part.raw_files if file.name in MD5]
    if not known:
        return None
    with known[0].open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False))
    return {"file": known[0].name, "found": digest.hexdigest(), "published": MD5[known[0].name]}


def _subjects(faces: Faces) -> int:
    return len(np.unique(faces.subject[faces.subject >= 0]))
