"""Class numbers in every order, against FER2013's published counts written out once more."""

from pathlib import Path

import numpy as np
import pytest

from ferlab.data import sources, store
from ferlab.data.sources import numbered
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from tests.data.sources.raw import made, rows_of, write
from tests.inference.test_label_orders import FROM_1, PLACES

# Faces of angry, disgust, fear, happy, sad, surprise, neutral; their sums are the published 28,709 and twice 3,589.
TRAIN, VAL, TEST = (
    [3995, 436, 4097, 7215, 4830, 3171, 4965],
    [467, 56, 496, 895, 653, 415, 607],
    [491, 55, 528, 879, 594, 416, 626],
)
# Numbers of angry, disgust, fear, happy, sad, surprise, neutral.
NUMBERS = {
    order: [place + (order in FROM_1) for place in PLACES[order]]
    for order in ("fer2013", "alphabetical", "ferplus", "affectnet", "face-api", "rafdb")
}


def fer2013(order="fer2013", splits=(0, 1, 2)):
    """(numbers, split codes, labels) of FER2013's faces in a random order of rows."""
    labels = np.concatenate([np.repeat(np.arange(7), (TRAIN, VAL, TEST)[s]) for s in splits])
    codes = np.concatenate([np.full(sum((TRAIN, VAL, TEST)[s]), s, np.uint8) for s in splits])
    mixed = np.random.default_rng(0).permutation(len(labels))
    return np.array(NUMBERS[order])[labels[mixed]], codes[mixed], labels[mixed]


@pytest.mark.parametrize("splits", [(0, 1, 2), (0,), (1,), (1, 2)])
@pytest.mark.parametrize("order", NUMBERS)
def test_an_order_is_known_by_the_published_counts(order, splits):
    numbers, split, labels = fer2013(order, splits)
    found, official = numbered.labels_of(Path("a.csv"), numbers, split, order)
    assert official
    assert np.array_equal(found, labels)
    if order == "fer2013":
        assert np.array_equal(numbered.labels_of(Path("a.csv"), numbers, split, None)[0], labels)
    elif order != "rafdb":  # whose 7 is no class of FER2013
        with pytest.raises(FerlabError, match=rf"in the order {order}, .* in the order fer2013; give .*={order}"):
            numbered.labels_of(Path("a.csv"), numbers, split, None)
    else:
        with pytest.raises(FerlabError, match="0 to 6 for the label order fer2013"):
            numbered.labels_of(Path("a.csv"), numbers, split, None)


def test_a_stated_order_that_does_not_fit_is_refused():
    numbers, split, _ = fer2013()
    with pytest.raises(
        FerlabError, match=r"in the order fer2013, .* in the order affectnet; give .*label_order=fer2013"
    ):
        numbered.labels_of(Path("a.csv"), numbers, split, "affectnet")


def test_exchanged_splits_are_refused(caplog):
    """Two well-known projects choose on PrivateTest and report PublicTest."""
    _, split, labels = fer2013()
    exchanged = np.array([0, 2, 1], np.uint8)[split]
    for check in (
        lambda: numbered.labels_of(Path("a"), labels, exchanged, None),
        lambda: numbered.refuse_exchanged(Path("a"), labels, exchanged.astype(int)),
    ):
        with pytest.raises(FerlabError, match="its val is PrivateTest and its test is PublicTest; exchange the two"):
            check()
    numbered.refuse_exchanged(Path("a"), labels, split)
    assert not caplog.text
    numbered.refuse_exchanged(Path("a"), labels, np.array([0, 2, 2])[split])
    assert "its test is PublicTest and PrivateTest together" in caplog.text


def test_raf_dbs_counts_are_known_too():
    train, test = [1290, 281, 717, 4772, 1982, 705, 2524], [329, 74, 160, 1185, 478, 162, 680]  # in its own order
    assert (sum(train), sum(test)) == (12271, 3068)
    numbers = np.concatenate([np.repeat(np.arange(1, 8), counts) for counts in (train, test)])
    split = np.repeat(np.array([0, 2], np.uint8), [12271, 3068])
    labels, published = numbered.labels_of(Path("a"), numbers, split, "rafdb")
    assert published
    assert np.bincount(labels[split == 2]).tolist() == [162, 160, 74, 1185, 478, 329, 680]
    by_name = np.array([6, 2, 1, 3, 5, 0, 4])[numbers - 1]  # the folders of its names, numbered alphabetically
    with pytest.raises(FerlabError, match=r"by RAF-DB's published counts .* in the order alphabetical"):
        numbered.labels_of(Path("a"), by_name, split, "fer2013")


def test_a_file_that_is_cut_has_whole_splits(caplog):
    numbers, split, labels = fer2013("alphabetical")
    by_split = np.argsort(split, kind="stable")[: sum(TRAIN) + 1000]
    with pytest.raises(FerlabError, match="in the order alphabetical"):
        numbered.labels_of(Path("a.csv"), numbers[by_split], split[by_split], None)
    assert np.array_equal(
        numbered.labels_of(Path("a.csv"), numbers[by_split], split[by_split], "alphabetical")[0], labels[by_split]
    )


@pytest.mark.parametrize(("order", "warned"), [("fer2013", False), ("alphabetical", True), ("affectnet", True)])
def test_other_numbers_of_faces_are_judged_by_the_shares_of_the_classes(caplog, order, warned):
    numbers, split, labels = fer2013(order)
    found, official = numbered.labels_of(Path("a.csv"), numbers[:3000], split[:3000], None)
    assert not official
    assert np.array_equal(found, numbers[:3000])
    assert (f"in the order {order}, and less so in the order fer2013" in caplog.text) == warned
    caplog.clear()
    assert np.array_equal(numbered.labels_of(Path("a.csv"), numbers[:3000], split[:3000], order)[0], labels[:3000])
    numbered.labels_of(Path("a.csv"), np.arange(7000) % 7, np.zeros(7000, np.uint8), None)  # balanced: nothing shows
    assert not caplog.text


@pytest.mark.parametrize("layout", ["fer2013_csv", "fer2013"])
@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6]),
        ("alphabetical", [0, 1, 2, 3, 6, 4, 5]),
        ("affectnet", [6, 3, 4, 5, 2, 1, 0]),
        (list(reversed(EXPRESSIONS)), [6, 5, 4, 3, 2, 1, 0]),
    ],
    ids=str,
)
def test_a_csv_is_read_in_the_stated_order(tmp_path, caplog, layout, order, expected):
    pixels, _, splits = made(7)
    path = write(tmp_path / "fer2013.csv", rows_of(pixels, range(7), splits))
    faces = sources.read(layout, path if layout == "fer2013_csv" else tmp_path, label_order=order)
    assert faces.labels.tolist() == expected
    assert ("so they do not show how the classes are numbered" in caplog.text) == (order is None)


def test_faces_of_other_classes_are_left_out_and_counted(tmp_path, caplog):
    pixels, _, splits = made(10)
    path = write(tmp_path / "ckextended.csv", rows_of(pixels, [0, 7, 1, 2, 7, 3, 4, 5, 6, 7], splits))
    with caplog.at_level("INFO"):
        faces = sources.read("fer2013_csv", path, label_order="ckextended")
    assert faces.labels.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert faces.row.tolist() == [0, 2, 3, 5, 6, 7, 8]
    assert np.array_equal(faces.pixels.reshape(7, -1), pixels[faces.row])
    assert "left out 3 faces of classes that FER2013 lacks" in caplog.text
    with pytest.raises(FerlabError, match=r"line 3: emotion is '7'; expected 0 to 6"):
        sources.read("fer2013_csv", path)
    with pytest.raises(FerlabError, match=r"line 2: emotion is '0'; expected 1 to 7"):
        sources.read("fer2013_csv", path, label_order="rafdb")


def test_the_order_may_be_typed(tmp_path):
    pixels, _, splits = made(7)
    write(tmp_path / "fer2013" / "fer2013.csv", rows_of(pixels, range(7), splits))
    data = {"root": str(tmp_path), "sources": [{"name": "fer2013", "layout": "fer2013", "path": "fer2013"}]}
    assert store.open_config({**data, "label_order": None}).labels.tolist() == list(range(7))
    assert store.open_config({**data, "label_order": "alphabetical"}).labels.tolist() == [0, 1, 2, 3, 6, 4, 5]
    with pytest.raises(FerlabError, match="label order is 'imagenet'; choose one of fer2013, ferplus"):
        store.open_config({**data, "label_order": "imagenet"})
    data["sources"][0]["layout"] = "jaffe"
    with pytest.raises(FerlabError, match="layout jaffe knows no option label_order"):
        store.open_config({**data, "label_order": "alphabetical"})
