"""Kept probabilities: computed once for each face, found by its pixels, never of another model."""

import numpy as np
import pytest

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.predictors import answers
from ferlab.predictors.answers import Kept

ABOUT = {"members": ["a", "b"], "weights_sha256": ["1", "2"], "tta": "none", "expressions": list(EXPRESSIONS)}


def probabilities_of(pixels, titles):
    """A row for each face that depends on its pixels alone, and on the view set."""
    mean = pixels.mean((1, 2))[:, None] / 255
    rows = np.concatenate([mean, np.repeat((1 - mean) / 6, 6, 1)], 1).astype(np.float32)
    return {title: rows[:, ::-1] if title == "flip" else rows for title in titles}


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (9, 48, 48), dtype=np.uint8)


@pytest.fixture
def asked():
    return []


def ask(pixels, folder, asked, *titles, about=ABOUT):
    def compute(some, lacking):
        asked.append((len(some), list(lacking)))
        return probabilities_of(some, lacking)

    kept = {title: Kept(folder / f"{title}.npz", about | {"tta": title}) for title in titles}
    return answers.ask(pixels, kept, compute)


def test_only_new_faces_are_computed_and_order_does_not_matter(pixels, tmp_path, asked):
    first = ask(pixels[:6], tmp_path, asked, "none")["none"]
    mixed = [5, 8, 0, 8, 2]
    again = ask(pixels[mixed], tmp_path, asked, "none")["none"]
    assert asked == [(6, ["none"]), (1, ["none"])]  # face 8, which stands twice
    np.testing.assert_array_equal(again[[0, 2, 4]], first[[5, 0, 2]])
    np.testing.assert_array_equal(again, probabilities_of(pixels[mixed], ["none"])["none"])
    assert [path.name for path in tmp_path.iterdir()] == ["none.npz"]


def test_view_sets_that_are_known_are_not_computed(pixels, tmp_path, asked):
    ask(pixels, tmp_path, asked, "none")
    found = ask(pixels, tmp_path, asked, "none", "flip")
    assert asked == [(9, ["none"]), (9, ["flip"])]
    np.testing.assert_array_equal(found["flip"], found["none"][:, ::-1])
    assert ask(pixels[:0], tmp_path, asked, "none")["none"].shape == (0, 7)


def test_members_may_come_in_another_order_and_other_weights_are_asked_anew(pixels, tmp_path, asked, caplog):
    ask(pixels, tmp_path, asked, "none")
    ask(pixels, tmp_path, asked, "none", about=ABOUT | {"members": ["b", "a"], "weights_sha256": ["2", "1"]})
    assert len(asked) == 1
    ask(pixels, tmp_path, asked, "none", about=ABOUT | {"weights_sha256": ["1", "3"]})
    assert len(asked) == 2
    assert "its faces are computed again" in caplog.text


@pytest.mark.parametrize("damage", ["cut", "sum", "shape", "nan"])
def test_a_damaged_file_is_asked_again_and_refused_where_it_is_all_there_is(pixels, tmp_path, asked, damage):
    first = ask(pixels, tmp_path, asked, "none")["none"]
    file = tmp_path / "none.npz"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:99])
    else:
        arrays = dict(np.load(file))
        wrong = {"sum": first * 2, "shape": first[:3], "nan": np.where(first > 0.5, np.nan, first)}[damage]
        np.savez_compressed(file, **{**arrays, "probabilities": wrong})
    with pytest.raises(FerlabError, match="holds no kept probabilities"):
        answers.read(file)
    np.testing.assert_array_equal(ask(pixels, tmp_path, asked, "none")["none"], first)
    assert len(asked) == 2
