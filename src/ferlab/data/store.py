"""Raw data in, memory-mapped faces out: parsed once, kept in stores/NAME, rebuilt only when raw files change."""

import contextlib
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ferlab.data import sources, store_folder
from ferlab.data.faces import Faces
from ferlab.data.leaks import Twins, twins_in
from ferlab.data.store_folder import Note
from ferlab.data.uses import Use
from ferlab.errors import FerlabError
from ferlab.files import refuse_name

log = logging.getLogger(__name__)

FORMAT = 2  # raise it when a reader gives other faces for the same raw files
STORES = "stores"  # folder in a data root
LEAKS = ("drop", "refuse")
TYPED = ("label_order", "crop")  # options of layouts that stand in a data config itself, where they can be typed


def open_faces(layout: str, raw: Path | None, stores: Path, name: str, verify: bool = True, **options: Any) -> Faces:
    """Memory-mapped faces of the raw data at `raw`, from the store `stores`/`name`, built first if need be.

    A store is good while layout, options and raw files are those it was made from: by size and time, else by sha256.
    If the raw files are gone, the store is used as it is.

    Args:
        layout, raw, options: as for `sources.read`; `drawn` faces have no raw files and are known by their options.
        stores: folder of all stores.
        name: the store's folder in it.
        verify: check the sha256 of every array; False checks sizes and shapes alone.

    Raises:
        FerlabError: as the source for bad raw data; a damaged store; no place or right to write one.
    """
    sources.check_options(layout, options)
    refuse_name(name, "the store's name")
    folder = stores / name
    made_of = {"format": FORMAT, "layout": layout, "options": json.loads(json.dumps(options))}
    with store_folder.locked(stores, name):
        note = store_folder.read_note(folder)
        files = _raw_files(layout, raw, note, made_of, folder)
        if note is None or not store_folder.is_current(folder, note, made_of, raw, files):
            started = time.perf_counter()
            stamps = store_folder.stamp(raw, files, sha=True)
            with sources.LeftOut() as left_out:
                faces = sources.read(layout, raw, **options)
            made = {**made_of, "raw": stamps, "left_out": left_out.lines(raw)}
            made["build_s"] = round(time.perf_counter() - started, 2)
            note = store_folder.write(folder, faces, made)
        return store_folder.load(folder, note, verify)


@dataclass(frozen=True)
class Opened:
    """The faces of one entry of a data config, from the store of that name; `auxiliary` ones are all for training."""

    name: str
    faces: Faces
    auxiliary: bool
    raw_files: Sequence[Path] = ()
    use: Use = field(default_factory=Use)


def open_config(data: Mapping[str, Any], recorded: bool = False, verify: bool = True) -> Faces:
    """All faces of a data config (conf/data/*.yaml): its sources, then those of its auxiliary data that are there.

    Auxiliary faces that also stand in val or test, as they are, mirrored or re-encoded, would make a score better than
    it is: with `leaks: drop` they are left out and counted, `leaks: refuse` is an error that names them.

    Args:
        data: `root` and `sources`; `auxiliary` and `leaks` where there are auxiliary data. `label_order` counts for
            each of `sources`, `crop` also for auxiliary data, as far as their layouts take it; None is as good as none.
        recorded: the config is that of a finished run, so its root counts unless FERLAB_DATA is set.
        verify: as for `open_faces`.

    Raises:
        FerlabError: unknown keys, missing raw data, no auxiliary data where the config names some, leaks that are
            refused, or as `open_faces`.
    """
    leaks = data.get("leaks", "drop")
    if leaks not in LEAKS:
        raise FerlabError(f"data.leaks is {leaks!r}; choose {', '.join(LEAKS)}")
    opened = open_each(data, recorded, verify)
    main = _join([part for part in opened if not part.auxiliary])
    evaluated = main.faces.pixels[main.faces.split != 0] if data.get("auxiliary") else main.faces.pixels[:0]
    parts, faults = [main], []
    for part in (part for part in opened if part.auxiliary):
        twins = twins_in(part.faces.pixels, evaluated)
        if twins.any.any():
            faults.append(_fault(part, twins))
        parts.append(_without(part, twins))
    if faults and leaks == "refuse":
        raise FerlabError(
            f"auxiliary faces also stand in val or test: {'; '.join(faults)}. Leave them out with data.leaks=drop"
        )
    return _join(parts).faces


def root_of(data: Mapping[str, Any], recorded: bool = False) -> Path:
    """The folder of a data config's raw data and stores; arguments as for `open_config`.

    conf/data/_root.yaml has read FERLAB_DATA for a config that was just composed, so that a typed data.root counts.
    """
    return Path(os.environ.get("FERLAB_DATA", data["root"]) if recorded else data["root"]).expanduser()


def open_each(data: Mapping[str, Any], recorded: bool = False, verify: bool = True) -> list[Opened]:
    """Each entry of a data config by itself, from the stores in its root; arguments and errors as `open_config`."""
    root = root_of(data, recorded)
    if not data["sources"]:
        raise FerlabError("data.sources is empty; expected a list of {name, layout, path}, the main data set first")
    opened = []
    for entry in data["sources"]:
        use, own = Use.of(entry)
        name, layout, raw, options = _entry(root, _typed(data, own, "sources"), "sources")
        if use.optional and not _there(raw, root, name):
            log.info("%s: no %s, left out", name, raw)
            continue
        faces = open_faces(layout, raw, root / STORES, name, verify, **options)
        opened.append(Opened(name, faces, False, _raw_files_there(layout, raw)))
    if not opened:
        raise FerlabError(f"data={data.get('name')}: none of its sources is in {root}. See data/README.md")
    missing, auxiliary = [], data.get("auxiliary", ())
    for entry in auxiliary:
        use, own = Use.of(entry)
        name, layout, raw, options = _entry(root, _typed(data, own, "auxiliary"), "auxiliary")
        name += "-train"  # the same folder may serve as a data set of its own, divided otherwise
        if _there(raw, root, name):
            if use.take == "all" and "split" in sources.options_of(layout):
                options["split"] = "train"
            try:
                faces = open_faces(layout, raw, root / STORES, name, verify, **options)
            except FerlabError as error:  # which names the key of the main data
                raise FerlabError(str(error).replace("data.sources=", "data.auxiliary=")) from None
            opened.append(Opened(name, use.for_training(faces), True, _raw_files_there(layout, raw), use))
        else:
            log.info("auxiliary %s: no %s, left out", entry["name"], raw)
            missing.append(str(raw))
    if auxiliary and len(missing) == len(auxiliary):
        raise FerlabError(f"no auxiliary data: expected at least one of {', '.join(missing)}. See data/README.md")
    return opened


def _there(raw: Path | None, root: Path, name: str) -> bool:
    """Whether an entry has raw files or a store; drawn faces need none."""
    return raw is None or raw.exists() or (root / STORES / name / store_folder.NOTE).is_file()


def _typed(data: Mapping[str, Any], entry: Mapping[str, Any], key: str) -> dict[str, Any]:
    """An entry of `sources` or `auxiliary` with the options that stand in the config itself."""
    options = {name: data[name] for name in TYPED if data.get(name) is not None}
    if key == "auxiliary":
        options.pop("label_order", None)  # each of them has an order of its own
    if data.get("auxiliary") and "crop" not in sources.options_of(entry.get("layout", "")):
        options.pop("crop", None)  # it is for those whose faces have to be cut out
    return {**options, **entry}


def _fault(part: Opened, twins: Twins) -> str:
    counts = ", ".join(f"{n} {kind}" for kind, n in twins.counts().items())
    found = np.flatnonzero(twins.any)
    some = ", ".join(part.faces.origin(i) for i in found[:3])
    return f"{part.name}: {len(found)} of {len(part.faces)} faces ({counts}), as {some}"


def _without(part: Opened, twins: Twins) -> Opened:
    """An auxiliary part without its twins, both counted in the log."""
    faces = part.faces.take(~twins.any) if twins.any.any() else part.faces
    counts = ", ".join(f"{n} {kind}" for kind, n in twins.counts().items())
    log.info(
        "auxiliary %s: left out %d faces that also stand in val or test: %s", part.name, int(twins.any.sum()), counts
    )
    classes = ", ".join(f"{n} {name}" for name, n in faces.class_counts("train").items())
    known = f": {classes}" if part.use.labels == "own" else ", whose targets are a teacher's alone"
    log.info("auxiliary %s: %d faces for training%s", part.name, len(faces), known)
    return replace(part, faces=part.use.labelled(faces))


def _raw_files_there(layout: str, raw: Path | None) -> list[Path]:
    with contextlib.suppress(FerlabError):
        return sources.raw_files(layout, raw)
    return []


def _entry(root: Path, entry: Mapping[str, Any], key: str) -> tuple[str, str, Path | None, dict[str, object]]:
    """(name, layout, raw path, options) of one entry of `sources` or `auxiliary`."""
    options = dict(entry)
    try:
        name, layout = str(options.pop("name")), options.pop("layout")
        raw = None if layout == "drawn" else root / options.pop("path")
    except KeyError as error:
        raise FerlabError(f"data.{key}: {dict(entry)} lacks {error}; expected name, layout, path and options") from None
    try:
        sources.check_options(layout, options)
    except FerlabError as error:
        raise FerlabError(f"data.{key}, {name}: {error}") from None
    if raw is not None and not raw.exists():
        packed = [raw.with_name(raw.name + suffix) for suffix in sources.ARCHIVES]
        raw = next((place for place in packed if place.is_file()), raw)
    return name, layout, raw, options


def _join(parts: list[Opened]) -> Opened:
    """Faces of several parts as one, in memory; of one part, as they are."""
    if len(parts) == 1:
        return parts[0]
    subject, free, source, entries = [], 0, [], 0
    for part in parts:  # a subject's number means a person within one data set only
        source.append((part.faces.source + entries).astype(np.uint8))
        entries = int(source[-1].max(initial=entries)) + 1
        known = part.faces.subject >= 0
        subject.append(np.where(known, part.faces.subject + free, -1).astype(np.int32))
        free = max(free, subject[-1].max(initial=-1) + 1)
    files = [f"{part.name}: {part.faces.origin(i)}" for part in parts for i in range(len(part.faces))]
    joined = {
        name: np.concatenate([getattr(part.faces, name) for part in parts]) for name in ("pixels", "targets", "split")
    }
    faces = Faces(
        **joined,
        subject=np.concatenate(subject),
        row=np.arange(len(files), dtype=np.int32),
        files=files,
        source=np.concatenate(source),
    )
    return Opened("+".join(part.name for part in parts), faces, False)


def facts(stores: Path, name: str) -> Note:
    """The note of a store without its list of files."""
    note = store_folder.read_note(stores / name)
    if note is None:
        raise FerlabError(f"no store {stores / name}; build it with python -m ferlab.prepare")
    return {key: value for key, value in note.items() if key != "files"}


def _raw_files(layout: str, raw: Path | None, note: Note | None, made_of: Note, folder: Path) -> list[Path]:
    """The raw files; empty when they are gone and the store need not have them."""
    try:
        return sources.raw_files(layout, raw)
    except FerlabError as error:
        if note is None:
            raise
        if not store_folder.same(note, made_of | {"format": note.get("format")}):
            raise FerlabError(f"{error}. The store {folder} was made with other options and cannot stand in") from None
        log.info("%s: the raw files are gone; the store %s is used as it is", raw, folder)
        return []
