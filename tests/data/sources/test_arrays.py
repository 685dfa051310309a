"""Arrays of images and labels as scripts save them."""

import numpy as np
import pytest
from PIL import Image

from ferlab.data import sources
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS

RNG = np.random.default_rng(0)
PIXELS, LABELS = RNG.integers(0, 256, (30, 48, 48), np.uint8), np.arange(30) % 7
FORMS = {
    "[N,48,48]": (PIXELS, 0),
    "[N,48,48,1]": (PIXELS[..., None], 0),
    "[N,1,48,48]": (PIXELS[:, None], 0),
    "[N,48,48,3]": (np.repeat(PIXELS[..., None], 3, 3), 0),
    "[N,3,48,48]": (np.repeat(PIXELS[:, None], 3, 1), 0),
    "[N,2304]": (PIXELS.reshape(30, -1), 0),
    "int64": (PIXELS.astype(np.int64), 0),
    "float to 1": (PIXELS.astype(np.float32) / 255, 0),
    "float64 to 255": (PIXELS.astype(float), 0),
    "[N,96,96]": (PIXELS.repeat(2, 1).repeat(2, 2), 1),
}
TARGETS = {
    "numbers": LABELS,
    "[N,1]": LABELS[:, None].astype(np.uint8),
    "float": LABELS.astype(np.float32),
    "one-hot": np.eye(7)[LABELS],
}


def read(path, **options):
    return sources.read("arrays", path, **{"label_order": "fer2013", **options})


@pytest.mark.parametrize(("images", "resized"), FORMS.values(), ids=FORMS)
def test_images_of_any_form(tmp_path, images, resized):
    np.savez(tmp_path / "fer.npz", x=images, y=LABELS)
    for path in (tmp_path, tmp_path / "fer.npz"):
        faces = read(path, split="train")
        assert resized or np.array_equal(faces.pixels, PIXELS)
        assert np.array_equal(faces.labels, LABELS)
        assert faces.origin(3) == "x, row 3"
    if resized:
        expected = [np.asarray(Image.fromarray(face).resize((48, 48), Image.Resampling.BILINEAR)) for face in images]
        assert np.array_equal(faces.pixels, expected)


@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
def test_labels_of_any_form(tmp_path, targets):
    np.save(tmp_path / "X.npy", PIXELS)
    np.save(tmp_path / "y.npy", targets)
    assert np.array_equal(read(tmp_path, split="train").labels, LABELS)
    assert np.array_equal(
        read(tmp_path, split="train", label_order="alphabetical").labels, np.array([0, 1, 2, 3, 6, 4, 5])[LABELS]
    )
    with pytest.raises(FerlabError, match="the numbers 0 to 6, and nothing shows which is which"):
        read(tmp_path, split="train", label_order=None)
    np.save(tmp_path / "y.npy", np.array(EXPRESSIONS)[LABELS])
    assert np.array_equal(read(tmp_path, split="train", label_order=None).labels, LABELS)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("X_{}", "y_{}"),
        ("{}_images", "{}_labels"),
        ("x_{}", "{}_y"),
        ("{}X", "{}Y"),
        ("modX{}", "mody{}"),
        ("images-{}", "emotion {}"),
    ],
)
@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_splits_stand_in_the_names(tmp_path, images, labels, val):
    parts = {"train": slice(20), val: slice(20, 25), "test": slice(25, 30)}
    arrays = {}
    for name, part in parts.items():
        arrays |= {images.format(name): PIXELS[part], labels.format(name): LABELS[part]}
    np.savez_compressed(tmp_path / "fer.npz", **arrays)
    faces = read(tmp_path)
    assert faces.split.tolist() == [0] * 20 + [1] * 5 + [2] * 5
    assert np.array_equal(faces.pixels, PIXELS)
    assert np.array_equal(faces.labels, LABELS)


def test_splits_stand_in_the_names_of_files(tmp_path):
    for name, part in (("fer_train", slice(20)), ("fer_val", slice(20, 25)), ("fer_test", slice(25, 30))):
        np.savez(tmp_path / f"{name}.npz", x=PIXELS[part], y=LABELS[part])
    faces = read(tmp_path)
    assert faces.split.tolist() == [0] * 20 + [1] * 5 + [2] * 5
    assert np.array_equal(faces.pixels, PIXELS)


def test_without_splits_a_hash_divides(tmp_path):
    np.save(tmp_path / "fdataX.npy", PIXELS)
    np.save(tmp_path / "flabels.npy", LABELS)
    assert np.bincount(read(tmp_path).split).tolist() == [24, 3, 3]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": PIXELS}, "holds the arrays x; expected pairs"),
        ({"x_train": PIXELS, "y_test": LABELS}, "holds the arrays x_train, y_test; expected pairs"),
        ({"x": PIXELS, "y": LABELS, "notes": LABELS}, "holds the arrays x, y, notes; expected pairs"),
        ({"x": PIXELS, "y": LABELS[1:]}, "x has 30 faces, y 29 labels"),
        ({"x": PIXELS[:, :7, :7].reshape(30, -1), "y": LABELS}, r"x is \[30, 49\]; expected"),
        ({"x": (PIXELS - 128.0) / 60, "y": LABELS}, "Standardised images cannot be turned back"),
        ({"x": PIXELS * 1.5, "y": LABELS}, "expected 0 to 255"),
        ({"x": np.where(PIXELS > 250, np.nan, PIXELS), "y": LABELS}, "expected 0 to 255"),
        ({"x": PIXELS, "y": np.full((30, 7), 1 / 7)}, "y has rows that are not one-hot"),
        ({"x": PIXELS, "y": np.zeros((30, 3))}, r"y is \[30, 3\]; expected"),
        ({"x": PIXELS, "y": LABELS + 0.5}, "'0.5' is no expression"),
    ],
)
def test_what_is_no_pair_of_faces_and_labels(tmp_path, arrays, message):
    np.savez(tmp_path / "fer.npz", **arrays)
    with pytest.raises(FerlabError, match=message):
        read(tmp_path, label_order=None if "0.5" in message else "fer2013")


def test_files_that_are_no_arrays_of_numbers(tmp_path):
    for name, content in (("a.npy", b"no array"), ("a.npz", b"PK no zip")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FerlabError, match=f"{name} cannot be read"):
            read(tmp_path)
        (tmp_path / name).unlink()
    np.save(tmp_path / "x.npy", PIXELS)
    whole = (tmp_path / "x.npy").read_bytes()
    for damage in (
        whole[:60],
        whole[:5000],
        whole.replace(b"(30, 48", b"L), 48", 1),
        whole.replace(b"'shape'", b"'s'"),
    ):
        (tmp_path / "x.npy").write_bytes(damage)
        with pytest.raises(FerlabError, match=r"x\.npy cannot be read"):
            read(tmp_path)
    np.save(tmp_path / "x.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(FerlabError, match=r"x\.npy cannot be read .*without pickle"):
        read(tmp_path)
