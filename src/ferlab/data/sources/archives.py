"""Zip and tar archives enter, a folder of plain files leaves; nothing in an archive may reach beyond that folder."""

import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ferlab.errors import FerlabError
from ferlab.images import is_junk

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MAX_BYTES = 20 << 30
MAX_FILES = 1_000_000
MAX_RATIO = 200  # unpacked to packed; csv and images reach about 10, a bomb 1,000
_FREE_BYTES = 10 << 20  # below this no ratio is asked for: small files may be empty or uniform
_CHUNK = 1 << 20


def is_archive(path: Path) -> bool:
    """Whether a file's name ends like an archive's."""
    return path.is_file() and path.name.lower().endswith(SUFFIXES)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar into a new or empty folder, all or nothing.

    Raises:
        FerlabError: damaged, encrypted, with a link or device, a path that leaves the folder, a name twice (also in
            other case), or one that unpacks to far more than it is (bytes, ratio, number of files).
    """
    existed = folder.exists()
    if existed and any(folder.iterdir()):
        raise FerlabError(f"{folder} is not empty; unpack {archive.name} into a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _unpack(archive, folder)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if existed:
            folder.mkdir()
        if isinstance(
            error, (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, OSError, NotImplementedError)
        ):
            raise FerlabError(f"{archive} cannot be unpacked ({error}); download it again") from None
        raise


def _unpack(archive: Path, folder: Path) -> None:
    members = _zip_members if zipfile.is_zipfile(archive) else _tar_members
    allowed = min(MAX_BYTES, max(_FREE_BYTES, MAX_RATIO * archive.stat().st_size))
    seen, written = {}, 0
    for count, (name, is_folder, stream) in enumerate(members(archive), 1):
        if count > MAX_FILES:
            raise FerlabError(f"{archive} holds more than {MAX_FILES:,} files; unpack it yourself if you trust it")
        place = _inside(archive, name)
        if any(is_junk(part) for part in place.parts):
            continue
        _claim(archive, place, is_folder, seen)
        target = folder / place
        if is_folder:
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            while chunk := stream.read(_CHUNK):
                written += len(chunk)
                if written > allowed:  # counted as it comes: the sizes that an archive states may lie
                    raise FerlabError(
                        f"{archive} unpacks to more than {allowed:,} bytes, {allowed // archive.stat().st_size} times "
                        "its size: a bomb? Unpack it yourself if you trust it"
                    )
                out.write(chunk)
    if not seen:
        raise FerlabError(f"{archive} holds no files; download it again")


def _zip_members(archive: Path) -> Iterator[tuple]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            if info.flag_bits & 1:
                raise FerlabError(f"{archive}: {info.filename} is encrypted; unpack it yourself with its password")
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise FerlabError(f"{archive}: {info.filename} is a link or device; expected files and folders only")
            if info.is_dir():
                yield info.filename, True, None
            else:
                with file.open(info) as stream:
                    yield info.orig_filename, False, stream


def _tar_members(archive: Path) -> Iterator[tuple]:
    with tarfile.open(archive) as file:
        for info in file:
            if not (info.isreg() or info.isdir()):
                raise FerlabError(f"{archive}: {info.name} is a link or device; expected files and folders only")
            yield info.name, info.isdir(), None if info.isdir() else file.extractfile(info)
        # tarfile ends without a word at a cut or damaged header; a whole tar ends with a block of zeros.
        file.fileobj.seek(file.offset)
        if file.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it is cut or damaged")


def _inside(archive: Path, name: str) -> PurePosixPath:
    place = PurePosixPath(name)
    drive = len(name) > 1 and name[1] == ":"
    if place.is_absolute() or ".." in place.parts or "\\" in name or "\0" in name or drive or not name:
        raise FerlabError(f"{archive}: {name!r} would be written outside the folder; take another archive")
    return place


def _claim(archive: Path, place: PurePosixPath, is_folder: bool, seen: dict) -> None:
    """Note a member's path and those of its folders; two files, or two spellings, of one path are refused."""
    for part in (*list(place.parents)[:-1], place):
        # One key for names that macOS or Windows would take for one file.
        key = unicodedata.normalize("NFC", str(part)).casefold()
        as_folder = is_folder or part != place
        known = seen.setdefault(key, (str(part), as_folder))
        if part == place and not is_folder and known[0] == str(part):
            if (key, "file") in seen or known[1]:
                raise FerlabError(f"{archive}: {place} stands there twice; take another archive")
            seen[key, "file"] = True
        if known != (str(part), as_folder):
            raise FerlabError(f"{archive}: {known[0]} and {part} would be one file on some systems; rename one")
