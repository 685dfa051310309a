"""Arrays of a data set: what they must be, and what readers call its splits."""

import numpy as np
import pytest

from ferlab.data import faces
from ferlab.data.faces import Faces, hard_targets, have_twin_in
from ferlab.expressions import EXPRESSIONS, K


def made(n=9, files=()):
    pixels = np.random.default_rng(0).integers(0, 256, (n, 48, 48), dtype=np.uint8)
    row = np.arange(n, dtype=np.int32)
    return Faces(pixels, hard_targets(row % K), (row % 3).astype(np.uint8), np.full(n, -1, np.int32), row, files)


def test_arrays_of_another_shape_or_type_are_refused():
    good = made()
    for name, array in (("pixels", good.pixels[:, :40]), ("targets", good.labels), ("split", good.split[:-1])):
        with pytest.raises(ValueError, match=f"{name} should be"):
            Faces(
                **{key: getattr(good, key) for key in ("pixels", "targets", "split", "subject", "row")} | {name: array}
            )


def test_a_split_keeps_the_order_and_the_counts():
    found = made()
    val = found.of_split("val")
    np.testing.assert_array_equal(val.pixels, found.pixels[1::3])
    np.testing.assert_array_equal(val.row, [1, 4, 7])
    assert found.class_counts("val") == {name: int(k in (1, 4, 0)) for k, name in enumerate(EXPRESSIONS)}


def test_a_face_names_its_origin():
    assert made().origin(3) == "row 3"
    assert made(2, ["happy/a.png", "sad/b.png"]).origin(1) == "sad/b.png"
    np.testing.assert_array_equal(made().csv_rows(), np.arange(9))
    np.testing.assert_array_equal(made(2, ["fer2013: row 5", "fer2013: row 12"]).csv_rows(), [5, 12])
    assert made(2, ["fer2013: row 5", "aux: happy/a.png"]).csv_rows() is None


def test_twins_are_identical_to_the_pixel():
    pixels = made().pixels
    others = pixels[[4, 2]].copy()
    others[1, 0, 0] ^= 1
    np.testing.assert_array_equal(np.flatnonzero(have_twin_in(pixels, others)), [4])
    checksum = faces.faces_sha256(made())
    assert checksum == faces.faces_sha256(made())
    assert checksum != faces.faces_sha256(made().take(np.arange(8)))


@pytest.mark.parametrize(
    ("data", "split", "title"),
    [
        ("fer2013", "test", "PrivateTest"),
        ("fer2013+aux", "val", "PublicTest"),
        ("fer2013, fer2013+aux", "test", "PrivateTest"),
        ("drawn", "test", "test"),
        ("fer2013, drawn", "val", "validation"),
        ("fer2013like", "test", "test"),
        ("ferplus", "test", "FER+ PrivateTest"),
        ("ferplus+wild", "val", "FER+ PublicTest"),
        ("fer2013, ferplus", "val", "validation"),
    ],
)
def test_only_fer2013_has_a_private_test(data, split, title):
    assert faces.split_title(data, split) == title
