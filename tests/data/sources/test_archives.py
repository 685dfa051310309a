"""Zips and tars: good ones read like the folder they hold, hostile ones refused with nothing left behind."""

import io
import stat
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from ferlab.data import sources
from ferlab.data.sources import archives
from ferlab.errors import FerlabError


def png(seed):
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (48, 48), np.uint8)).save(out, "PNG")
    return out.getvalue()


def make_zip(path, members, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members:
            file.writestr(name, data, **options)
    return path


def make_tar(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as file:
        for name, data in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


FACES = [(f"faces/{name}/{i}.png", png(10 * k + i)) for k, name in enumerate(("happy", "sad")) for i in range(3)]
JUNK = [("__MACOSX/faces/._happy", b"junk"), ("faces/.DS_Store", b"junk")]


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz"])
def test_an_archive_reads_like_its_folder(tmp_path, name):
    if name.endswith("zip"):
        path = make_zip(tmp_path / name, [*FACES, *JUNK])
    else:
        kind = {"a.tar": "", "a.tar.bz2": "bz2", "a.tar.xz": "xz"}.get(name, "gz")
        path = make_tar(tmp_path / name, [*FACES, *JUNK], f"w:{kind}")
    faces = sources.read("class_folders", path)
    archives.unpack(path, tmp_path / "folder")
    same = sources.read("class_folders", tmp_path / "folder")
    assert len(faces) == 6
    assert list(faces.files) == list(same.files) == [n.removeprefix("faces/") for n, _ in FACES]
    assert np.array_equal(faces.pixels, same.pixels)
    assert np.array_equal(faces.split, same.split)
    assert not list((tmp_path / "folder").rglob("*DS_Store"))


def test_a_csv_in_an_archive(tmp_path):
    csv = f"emotion,pixels,Usage\n3,{' '.join(['7'] * 2304)},PublicTest\n"
    path = make_tar(tmp_path / "fer2013.tar.gz", [("fer2013/fer2013.csv", csv.encode()), ("fer2013/README", b"")])
    for layout in ("fer2013", "fer2013_csv"):
        faces = sources.read(layout, path)
        assert (faces.labels[0], faces.split[0], faces.pixels.max()) == (3, 1, 7)


def test_errors_name_the_archive_and_not_a_temporary_folder(tmp_path):
    path = make_zip(tmp_path / "a.zip", [*FACES, ("faces/sad/9.png", b"no image")])
    with pytest.raises(FerlabError, match=r"a\.zip/faces/sad/9\.png is no readable image"):
        sources.read("class_folders", path)


def link(name, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


def zip_link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


OUTSIDE = "outside the folder"
HOSTILE = {
    "traversal": ("../evil.png", OUTSIDE),
    "traversal inside": ("happy/../../evil.png", OUTSIDE),
    "absolute": ("/tmp/evil.png", OUTSIDE),
    "backslash": ("..\\evil.png", OUTSIDE),
    "drive": ("C:/evil.png", OUTSIDE),
    "duplicate": ("faces/happy/0.png", "stands there twice"),
    "case clash": ("faces/Happy/0.PNG", "would be one file on some systems"),
    "folder case clash": ("faces/HAPPY/77.png", "would be one file on some systems"),
    "file as folder": ("faces/happy/0.png/1.png", "would be one file"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("name", "message"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_hostile_names_are_refused(tmp_path, make, name, message):
    path = make(tmp_path / ("a.zip" if make is make_zip else "a.tgz"), [*FACES, (name, png(99))])
    with pytest.raises(FerlabError, match=f"(?s)a\\.(zip|tgz).*{message}"):
        archives.unpack(path, tmp_path / "in" / "folder")
    assert not (tmp_path / "in" / "folder").exists()
    assert not list(tmp_path.rglob("*evil*"))
    with pytest.raises(FerlabError):
        sources.read("class_folders", path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar(tmp_path, kind):
    path = make_tar(tmp_path / "a.tar", [*FACES, (link("faces/happy/l.png", kind), b"")], "w")
    with pytest.raises(FerlabError, match=r"a\.tar: faces/happy/l\.png is a link or device"):
        archives.unpack(path, tmp_path / "folder")


def test_links_in_a_zip(tmp_path):
    with pytest.raises(FerlabError, match=r"a\.zip: faces/happy/l\.png is a link"):
        archives.unpack(
            make_zip(tmp_path / "a.zip", [*FACES, (zip_link("faces/happy/l.png"), b"/etc")]), tmp_path / "f"
        )


def test_encrypted(tmp_path):
    path = make_zip(tmp_path / "a.zip", FACES)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory
    path.write_bytes(data)
    with pytest.raises(FerlabError, match=r"faces/happy/0\.png is encrypted"):
        archives.unpack(path, tmp_path / "folder")


@pytest.mark.parametrize("name", ["a.zip", "a.tgz"])
def test_a_bomb_is_stopped_on_the_way(tmp_path, name):
    make = make_zip if name == "a.zip" else make_tar
    path = make(tmp_path / name, [("happy/0.png", bytes(40_000_000))])
    assert path.stat().st_size < 50_000
    with pytest.raises(FerlabError, match="a bomb"):
        archives.unpack(path, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILES", 5)
    with pytest.raises(FerlabError, match="more than 5 files"):
        archives.unpack(make_zip(tmp_path / "a.zip", FACES), tmp_path / "folder")


@pytest.mark.parametrize("name", ["a.zip", "a.tgz", "a.tar"])
def test_damaged_archives(tmp_path, name):
    make = make_zip if name == "a.zip" else make_tar
    whole = make(tmp_path / "whole", FACES).read_bytes()
    for data in (whole[: len(whole) // 2], b"", b"no archive", whole[:200] + bytes(400) + whole[600:]):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(FerlabError, match=f"{name} (cannot be unpacked|holds no files)"):
            archives.unpack(tmp_path / name, tmp_path / "folder")
        assert not (tmp_path / "folder").exists()


def test_only_into_an_empty_folder(tmp_path):
    path = make_zip(tmp_path / "a.zip", FACES)
    (tmp_path / "folder").mkdir()
    archives.unpack(path, tmp_path / "folder")
    with pytest.raises(FerlabError, match="folder is not empty"):
        archives.unpack(path, tmp_path / "folder")
