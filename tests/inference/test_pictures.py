"""Everything that may hold a picture gives the same pixels, and everything else is refused."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ferlab.errors import FerlabError
from ferlab.inference.pictures import local, rgb

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
GREY = PIXELS[..., 0]


class Upload:
    """What web frameworks hand over: its bytes have to be awaited."""

    async def read(self) -> bytes:
        return b""


class Connection(io.BytesIO):
    """Bytes that come once."""

    def seekable(self) -> bool:
        return False

    def seek(self, *place):
        raise io.UnsupportedOperation("seek")


@pytest.fixture
def file(tmp_path) -> Path:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.mark.parametrize(
    "source",
    [
        lambda file: file,
        str,
        Image.open,
        lambda file: Image.fromarray(PIXELS),
        lambda file: Image.fromarray(PIXELS).convert("RGBA"),
        Path.read_bytes,
        lambda file: bytearray(file.read_bytes()),
        lambda file: io.BytesIO(file.read_bytes()),
        lambda file: file.open("rb"),
        lambda file: Connection(file.read_bytes()),
        lambda file: PIXELS,
        lambda file: np.dstack([PIXELS, GREY]),
        lambda file: PIXELS[::-1, ::-1][::-1, ::-1],
    ],
)
def test_whatever_holds_a_picture_gives_its_pixels(file, source):
    np.testing.assert_array_equal(rgb(source(file)), PIXELS)


@pytest.mark.parametrize("source", [GREY, GREY[..., None], Image.fromarray(GREY), Image.fromarray(GREY).convert("LA")])
def test_grey_pictures_have_three_equal_channels(source):
    np.testing.assert_array_equal(rgb(source), np.repeat(GREY[..., None], 3, 2))


def test_arrays_of_opencv_hold_blue_first_and_files_say_what_they_hold(file):
    read = cv2.imread(str(file))
    np.testing.assert_array_equal(rgb(read, bgr=True), PIXELS)
    np.testing.assert_array_equal(rgb(np.dstack([read, GREY]), bgr=True), PIXELS)
    np.testing.assert_array_equal(rgb(file, bgr=True), PIXELS)
    assert rgb(read, bgr=True).flags["C_CONTIGUOUS"]


def test_a_pil_image_is_turned_by_its_exif_tag_and_keeps_its_frame(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(rgb(Image.open(tmp_path / "turned.png")), np.rot90(PIXELS, -1))
    greys = [Image.new("RGB", (4, 4), (v, v, v)) for v in (10, 200)]
    greys[0].save(tmp_path / "a.gif", save_all=True, append_images=greys[1:])
    opened = Image.open(tmp_path / "a.gif")
    opened.seek(1)
    assert np.unique(rgb(opened)).tolist() == [200]
    assert opened.tell() == 1


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (None, "of type NoneType; expected a path, a PIL image, the bytes"),
        ([[1, 2], [3, 4]], "of type list; expected"),
        (7, "of type int"),
        (io.StringIO("text"), "of type StringIO, which gives no bytes; expected .* opened with 'rb'"),
        (Upload(), "of type Upload; expected .* the bytes of an image file"),
        (np.zeros((4, 4, 3)), r"float64 \[4, 4, 3\]; expected .* uint8"),
        (np.zeros((4, 4, 2), np.uint8), r"uint8 \[4, 4, 2\]"),
        (np.zeros((1, 4, 4, 3), np.uint8), r"uint8 \[1, 4, 4, 3\]"),
        (np.zeros((0, 4), np.uint8), r"uint8 \[0, 4\]"),
        (b"no image", "the image in the bytes is no readable image"),
        (io.BytesIO(b""), "the image in the open file is no readable image"),
        ("https://example.com/a.jpg", "is an address, and nothing is read from the network; download it first"),
        (Path("s3://bucket/a.jpg"), "is an address"),
        ("gone.jpg", "gone.jpg is no readable image"),
    ],
)
def test_what_holds_no_picture_is_refused_in_one_line(source, found):
    with pytest.raises(FerlabError, match=found):
        rgb(source)


def test_a_file_with_the_name_of_an_address_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip:").mkdir()
    (tmp_path / "clip:" / "a.png").touch()
    assert local("clip:/a.png") == Path("clip:/a.png")
