"""Image files of every kind against Pillow, and folders of them."""

import struct
import zlib

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from ferlab import images
from ferlab.errors import FerlabError
from ferlab.images import decode
from tests.data.sources.raw import noise, picture, save


def test_a_48x48_grey_png_is_taken_as_it_is(tmp_path):
    assert np.array_equal(decode(save(tmp_path / "ä b.png", noise(1))), noise(1))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L", "P", "CMYK", "1", "I;16", "F"])
def test_whole_pictures_keep_size_and_colours(tmp_path, mode):
    colours = np.random.default_rng(9).integers(0, 256, (30, 50, 3), np.uint8)
    if mode in ("I;16", "F"):
        values = colours[..., 0].astype(np.uint16) * 257 if mode == "I;16" else colours[..., 0].astype(np.float32) / 255
        file, expected = save(tmp_path / "a.tiff", values), np.repeat(colours[..., :1], 3, 2)
    else:
        image = Image.fromarray(colours).convert(mode)
        if mode == "RGBA":
            image.putalpha(40)  # is left out
        file, expected = save(tmp_path / "a.tiff", image), np.asarray(image.convert("RGB"))
    found = images.picture(file)
    assert (found.dtype, found.shape) == (np.uint8, (30, 50, 3))
    np.testing.assert_array_equal(found, expected)


def tiff(values, bits, zero_is_black=True, kind=1):
    """The bytes of a grey TIFF of any bit depth; kind 1: unsigned, 2: signed."""
    height, width = values.shape
    if bits < 32:
        of_bits = (values[..., None].astype(np.int64) >> np.arange(bits)[::-1]) & 1
        data = np.packbits(of_bits.reshape(height, -1), axis=1) if bits != 16 else values.astype("<u2")
    else:
        data = values.astype("<i4")
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: int(zero_is_black), 277: 1, 278: height, 339: kind}
    tags |= {273: 8 + 2 + 12 * 10 + 4, 279: data.nbytes}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data.tobytes()


def png(values, bits):
    """The bytes of a grey PNG of 1, 2, 4, 8 or 16 bits."""
    height, width = values.shape
    of_bits = (values[..., None].astype(np.int64) >> np.arange(bits)[::-1]) & 1
    rows = np.packbits(of_bits.reshape(height, -1), axis=1)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)), (b"IEND", b"")]
    parts.insert(1, (b"IDAT", zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())))
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def pgm(values, largest):
    return f"P5 48 48 {largest}\n".encode() + values.astype(">u2" if largest > 255 else "u1").tobytes()


GREY = noise(2)


def of(bits):
    """The grey picture in this many bits."""
    return (GREY.astype(np.int64) * (2**bits - 1) + 127) // 255


# Bytes of a file, and by how many grey levels of 255 the reading may differ from the picture that was written.
DEPTHS = {
    **{f"png of {bits} bits": (png(of(bits), bits), 128 / (2**bits - 1)) for bits in (1, 2, 4, 8, 16)},
    **{f"tiff of {bits} bits": (tiff(of(bits), bits), 128 / (2**bits - 1)) for bits in (1, 2, 4, 8, 12, 16)},
    **{f"tiff of {bits} bits, zero is white": (tiff(2**bits - 1 - of(bits), bits, False), 128 / (2**bits - 1))
       for bits in (1, 2, 4, 8, 16)},
    "tiff of 32 bits with 16-bit values": (tiff(of(16), 32), 0.5),
    "tiff of 32 bits with 8-bit values": (tiff(of(8), 32), 0),
    "signed tiff of 32 bits with 8-bit values": (tiff(of(8), 32, kind=2), 0),
    "tiff of 16 bits with 8-bit values": (tiff(of(8), 16), 0),
    "pgm to 255": (pgm(of(8), 255), 0),
    "pgm to 100": (pgm((GREY.astype(int) * 100 + 127) // 255, 100), 1.5),
    "pgm to 1023": (pgm(of(10), 1023), 0.5),
    "pgm to 65535": (pgm(of(16), 65535), 0.5),
}  # fmt: skip


@pytest.mark.parametrize(("content", "most"), DEPTHS.values(), ids=DEPTHS)
def test_a_grey_picture_of_any_depth_is_itself(tmp_path, content, most):
    (tmp_path / "a").write_bytes(content)
    for found in (decode(tmp_path / "a"), *np.moveaxis(images.picture(tmp_path / "a"), 2, 0)):
        assert np.abs(found.astype(float) - GREY).max() <= most


@pytest.mark.parametrize(
    ("content", "values"),
    [(tiff(of(16) + 65536, 32), "65536 to 131071"), (tiff(-of(8), 32, kind=2), "-255 to 0")],
)
def test_whole_numbers_beyond_16_bits_are_refused(tmp_path, content, values):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(FerlabError, match=f"holds values {values}; expected"):
        decode(tmp_path / "a")


def luma(rgb):
    """ITU-R 601-2, as a television weighs the colours."""
    return rgb @ [0.299, 0.587, 0.114]


COLOURS = np.random.default_rng(9).integers(0, 256, (48, 48, 3), np.uint8)
FEW = COLOURS // 128 * 255  # eight colours, which a palette holds
ALPHA = np.full((48, 48), 130, np.uint8)
MODES = {
    "RGB png": ("RGB", COLOURS, "png", {}),
    "RGB bmp": ("RGB", COLOURS, "bmp", {}),
    "RGB tiff": ("RGB", COLOURS, "tiff", {}),
    "RGB webp": ("RGB", COLOURS, "webp", {"lossless": True}),
    "RGBA png": ("RGBA", np.dstack([COLOURS, ALPHA]), "png", {}),
    "RGBA tiff": ("RGBA", np.dstack([COLOURS, ALPHA]), "tiff", {}),
    "L png with a transparent grey": ("L", GREY, "png", {"transparency": 7}),
    "RGB png with a transparent colour": ("RGB", COLOURS, "png", {"transparency": (1, 2, 3)}),
    "LA png": ("LA", np.dstack([GREY, ALPHA]), "png", {}),
    "CMYK tiff": ("CMYK", np.dstack([255 - COLOURS, 0 * ALPHA]), "tiff", {}),
    "YCbCr tiff": ("YCbCr", np.dstack([GREY, 0 * GREY + 128, 0 * GREY + 128]), "tiff", {}),
    **{f"P {bits}-bit png": ("P", FEW, "png", {"bits": bits}) for bits in (4, 8)},
    "P png with transparency": ("P", FEW, "png", {"transparency": 0}),
    "P gif": ("P", FEW, "gif", {}),
    "P bmp": ("P", FEW, "bmp", {}),
    "P tiff": ("P", FEW, "tiff", {}),
    "1 png": ("1", GREY > 127, "png", {}),
    "1 tiff": ("1", GREY > 127, "tiff", {}),
}


@pytest.mark.parametrize(("mode", "pixels", "suffix", "options"), MODES.values(), ids=MODES)
def test_a_picture_of_any_mode_is_itself(tmp_path, mode, pixels, suffix, options):
    if mode == "P":
        image = Image.fromarray(pixels).quantize(8)
    else:
        image = Image.fromarray(pixels) if mode in ("RGB", "L", "1") else Image.fromarray(pixels, mode)
    path = save(tmp_path / f"a.{suffix}", image, **options)
    assert Image.open(path).mode in (mode, "RGB" if suffix == "webp" else mode)
    rgb = COLOURS if mode == "CMYK" else np.dstack([GREY] * 3) if mode == "YCbCr" else np.asarray(pixels, int)
    if mode in ("LA", "L", "1"):
        rgb = np.repeat((rgb if rgb.ndim == 2 else rgb[..., 0])[..., None] * (255 if mode == "1" else 1), 3, 2)
    assert np.abs(images.picture(path) - rgb[..., :3].astype(int)).max() <= 1
    assert np.abs(decode(path) - luma(rgb[..., :3])).max() <= 1.01


def test_colours_that_pillow_cannot_convert_are_refused(tmp_path):
    path = save(tmp_path / "a.tiff", Image.new("LAB", (48, 48)))
    for read in (decode, images.picture):
        with pytest.raises(FerlabError, match=r"a\.tiff has colours of the kind LAB; save it as RGB or grey"):
            read(path)


def test_float_tiff_in_0_to_1_is_scaled_and_any_other_refused(tmp_path):
    unit = noise(3).astype(np.float32) / 255
    assert np.array_equal(decode(save(tmp_path / "a.tiff", unit)), noise(3))
    for bad in (unit * 255, unit - 0.5, np.where(unit > 0.9, np.nan, unit)):
        with pytest.raises(FerlabError, match=r"b\.tiff is a floating-point image"):
            decode(save(tmp_path / "b.tiff", bad))


def test_exif_orientation_is_obeyed(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned 90 degrees clockwise
    path = save(tmp_path / "a.png", picture(), exif=exif)
    assert np.array_equal(decode(path), np.rot90(picture(), -1))


def test_of_an_animation_the_first_picture(tmp_path):
    frames = [Image.fromarray(np.full((48, 48), v, np.uint8)) for v in (10, 200, 90)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert np.unique(decode(tmp_path / "a.gif")).tolist() == [10]


@pytest.mark.parametrize("size", [(20, 31), (64, 64), (490, 640)])
def test_other_sizes_are_resized_with_antialiasing(tmp_path, size):
    image = Image.fromarray(picture(*size))
    assert np.array_equal(decode(save(tmp_path / "a.png", image)), image.resize((48, 48), Image.Resampling.BILINEAR))
    stripes = np.tile(np.array([0, 255], np.uint8), (96, 48))
    assert np.abs(decode(save(tmp_path / "b.png", stripes))[:, 1:-1].astype(int) - 128).max() <= 2


@pytest.mark.parametrize("box", [(10, 20, 70, 80), (-12, -5, 48, 55), (30, 40, 120, 130), "centre"])
def test_a_box_keeps_its_shape_where_it_reaches_beyond_the_picture(tmp_path, box):
    values = picture(90, 60)
    left, top, right, bottom = (0, 15, 60, 75) if box == "centre" else box
    grown = np.pad(values, 100, "edge")[top + 100 : bottom + 100, left + 100 : right + 100]
    expected = Image.fromarray(grown).resize((48, 48), Image.Resampling.BILINEAR)
    found = decode(save(tmp_path / "a.png", values), box)
    assert np.abs(found.astype(int) - np.asarray(expected)).max() <= 1  # antialiasing looks a little beyond a box


@pytest.mark.parametrize(
    "box", [(0, 0, 1000, 1000), (5, 5, 5, 9), (9, 9, 3, 3), (float("nan"), 0, 9, 9), (61, 0, 80, 9)]
)
def test_a_box_that_cannot_be_is_refused(tmp_path, box):
    with pytest.raises(FerlabError, match=r"a\.png has 60x90 pixels; its face cannot be in"):
        decode(save(tmp_path / "a.png", picture(90, 60)), box)


def broken(folder):
    good = save(folder / "good.jpg", noise(4), quality=95).read_bytes()
    whole = save(folder / "good.png", np.tile(noise(4), (4, 4))).read_bytes()
    return {
        "cut.jpg": good[: len(good) // 2],
        "cut.png": whole[: len(whole) // 2],
        "header.png": whole[:30],
        "empty.png": b"",
        "text.png": b"this is text",
        "page.jpg": b"<!DOCTYPE html><html></html>",
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    }


@pytest.mark.parametrize(
    "name", ["cut.jpg", "cut.png", "header.png", "empty.png", "text.png", "page.jpg", "drawing.svg"]
)
def test_what_is_no_whole_image_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(broken(tmp_path)[name])
    with pytest.raises(FerlabError, match=name):
        decode(tmp_path / name)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    for side in (20_000, 8_000):
        Image.new("1", (side, side)).save(tmp_path / "bomb.png")
        with pytest.raises(FerlabError, match=r"bomb\.png has .*pixels"):
            decode(tmp_path / "bomb.png")


def test_unreadable_files_are_named(tmp_path):
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("gone.png", "loop.png", "folder.png", "not there.png"):
        with pytest.raises(FerlabError, match=name):
            decode(tmp_path / name)


@pytest.mark.parametrize("suffix", [".avif", ".bmp", ".dds", ".jpe", ".jp2", ".mpo", ".pcx", ".qoi", ".sgi", ".tga"])
def test_pillow_reads_what_such_a_suffix_says(suffix, tmp_path):
    assert suffix in images.suffixes()
    Image.new("RGB", (32, 24), (200, 20, 20)).save(tmp_path / f"a{suffix}")
    found = images.picture(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(found.mean((0, 1)), (200, 20, 20), atol=4)
    assert found.shape == (24, 32, 3)


def test_no_picture_starts_another_program(tmp_path, monkeypatch):
    """Pillow hands PostScript to Ghostscript, whatever the file is called."""
    Image.new("RGB", (32, 24)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.jpg")
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *words: pytest.fail("it was started"))
    with pytest.raises(FerlabError, match=r"a\.jpg is of the format EPS; expected a picture: save it as PNG"):
        decode(tmp_path / "a.jpg")
    assert {".eps", ".mpg", ".pdf", ".h5"}.isdisjoint(images.suffixes())
