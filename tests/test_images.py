"""Image files of every kind against Pillow, and folders of them."""

import numpy as np
import pytest
from PIL import Image

from ferlab import images
from ferlab.errors import FerlabError
from ferlab.images import decode
from tests.data.sources.raw import noise, picture, save


def test_a_48x48_grey_png_is_taken_as_it_is(tmp_path):
    assert np.array_equal(decode(save(tmp_path / "ä b.png", noise(1))), noise(1))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "CMYK", "YCbCr", "1"])
def test_every_mode_becomes_grey_as_pillow_has_it(tmp_path, mode):
    image = Image.fromarray(picture()).convert(mode)
    suffix = {"CMYK": "tiff", "YCbCr": "jpg"}.get(mode, "png")
    face = decode(save(tmp_path / f"a.{suffix}", image))
    expected = picture() if mode != "1" else np.asarray(image.convert("L"))
    assert face.dtype == np.uint8
    assert face.shape == (48, 48)
    assert np.abs(face.astype(int) - expected).max() <= 3


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


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_is_scaled_and_not_clipped(tmp_path, suffix):
    deep = noise(2).astype(np.uint16) * 257
    face = decode(save(tmp_path / f"a.{suffix}", deep))
    assert np.array_equal(face, noise(2))
    assert abs(face.mean() - deep.mean() / 257) < 1


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
