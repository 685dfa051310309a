"""Zip and tar archives in, a folder of plain files out.

An archive that reaches beyond the folder is refused: tarfile's data filter and zipfile's extract are milder, for they
take links inside the folder, rename what lies outside, and let a later member replace an earlier one.
"""

import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from ferlab.errors import FerlabError
from ferlab.images import is_junk

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MAX_BYTES = 20 << 30
MAX_FILES = 1_000_000
MAX_RATIO = 200  # unpacked to packed; csv and images reach about 10, a bomb 1,000
_FREE_BYTES = 10 << 20  # below this no ratio counts: small files may be empty or uniform
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
    names, written = _Names(archive), 0
    for count, (name, stream) in enumerate(members(archive), 1):
        if count > MAX_FILES:
            raise FerlabError(f"{archive} holds more than {MAX_FILES:,} files; unpack it yourself if you trust it")
        place = _inside(archive, name)
        if any(is_junk(part) for part in place.parts):
            continue
        names.add(place, is_folder=stream is None)
        target = folder / place
        if stream is None:
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
    if not names.known:
        raise FerlabError(f"{archive} holds no files; download it again")


def _zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Name and content of each member; a folder has none."""
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            if info.flag_bits & 1:
                raise FerlabError(f"{archive}: {info.filename} is encrypted; unpack it yourself with its password")
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise FerlabError(f"{archive}: {info.filename} is a link or device; expected files and folders only")
            if info.is_dir():
                yield info.filename, None
            else:
                with file.open(info) as stream:
                    yield info.orig_filename, stream


def _tar_members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    with tarfile.open(archive) as file:
        for info in file:
            if not (info.isreg() or info.isdir()):
                raise FerlabError(f"{archive}: {info.name} is a link or device; expected files and folders only")
            yield info.name, None if info.isdir() else file.extractfile(info)
        # tarfile ends silently at a cut or damaged header; a whole tar ends with a block of zeros.
        rest = file.fileobj
        assert rest is not None
        rest.seek(file.offset)
        if rest.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it is cut or damaged")


def _inside(archive: Path, name: str) -> PurePosixPath:
    place = PurePosixPath(name)
    drive = len(name) > 1 and name[1] == ":"
    if place.is_absolute() or ".." in place.parts or "\\" in name or "\0" in name or drive or not name:
        raise FerlabError(f"{archive}: {name!r} would be written outside the folder; take another archive")
    return place


class _Names:
    """Paths in an archive; two files, or two spellings, of one path are refused."""

    def __init__(self, archive: Path):
        self.archive = archive
        self.known: dict[str, tuple[str, bool]] = {}  # spelling, and whether it is a folder
        self._files: set[str] = set()

    def add(self, place: PurePosixPath, is_folder: bool) -> None:
        """Note a member's path and those of its folders."""
        for part in (*list(place.parents)[:-1], place):
            # One key for names that macOS or Windows would take for one file.
            key = unicodedata.normalize("NFC", str(part)).casefold()
            as_folder = is_folder or part != place
            known = self.known.setdefault(key, (str(part), as_folder))
            if not as_folder and known[0] == str(part):
                if key in self._files or known[1]:
                    raise FerlabError(f"{self.archive}: {place} stands there twice; take another archive")
                self._files.add(key)
            if known != (str(part), as_folder):
                raise FerlabError(
                    f"{self.archive}: {known[0]} and {part} would be one file on some systems; rename one"
                )
