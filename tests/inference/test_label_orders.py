"""Label orders against what their sources say, written out once more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, index_of
from ferlab.inference.label_orders import LABEL_ORDERS, columns, labels_of, renumber, reorder

# Places of angry, disgust, fear, happy, sad, surprise, neutral in each, read from the publications.
PLACES = {
    "fer2013": [0, 1, 2, 3, 4, 5, 6],
    "ferplus": [4, 5, 6, 1, 3, 2, 0],
    "affectnet": [6, 5, 4, 1, 2, 3, 0],
    "alphabetical": [0, 1, 2, 3, 5, 6, 4],
    "face-api": [3, 5, 4, 1, 2, 6, 0],
    "rafdb": [5, 2, 1, 3, 4, 0, 6],
    "ck_plus": [1, 3, 4, 5, 6, 7, 0],
    "ckextended": [0, 1, 2, 3, 4, 5, 6],
}
WITH_CONTEMPT = ("ferplus", "affectnet", "ck_plus", "ckextended")
FROM_1 = ("rafdb",)


def test_every_order_is_written_down():
    assert list(PLACES) == list(LABEL_ORDERS)


@pytest.mark.parametrize("order", PLACES)
def test_places_are_those_of_the_source(order):
    assert columns(order, "fer2013") == PLACES[order]
    names = labels_of(order)
    assert {index_of(name) for name in names} - {None} == set(range(7))
    assert ("contempt" in names) == (order in WITH_CONTEMPT) == (len(names) == 8)


ORDER = st.sampled_from(sorted(PLACES))
SHARES = st.lists(st.integers(0, 9), min_size=7, max_size=7).filter(any)


@given(ORDER, ORDER, st.lists(SHARES, min_size=1, max_size=5), st.lists(st.integers(0, 6)))
def test_there_and_back(source, wanted, shares, labels):
    p = np.array(shares, np.float32)
    p /= p.sum(1, keepdims=True)
    there = reorder(p, "fer2013", source)
    assert there.dtype == np.float32
    for k, (before, after) in enumerate(zip(PLACES[source], PLACES[wanted], strict=True)):
        np.testing.assert_array_equal(there[:, before], p[:, k])
        np.testing.assert_array_equal(reorder(there, source, wanted)[:, after], p[:, k])
        assert renumber([before + (source in FROM_1)], source, wanted).tolist() == [after + (wanted in FROM_1)]
    np.testing.assert_array_equal(reorder(reorder(there, source, wanted), wanted, "fer2013"), p)
    as_source, as_wanted = ([PLACES[order][k] + (order in FROM_1) for k in labels] for order in (source, wanted))
    assert renumber(as_source, source, wanted).tolist() == as_wanted


def test_one_face_through_each_order():
    happy = np.eye(7)[[EXPRESSIONS.index("happy")]]
    for order, places in PLACES.items():
        assert reorder(happy, "fer2013", order).argmax() == places[3]
        assert renumber([3], "fer2013", order)[0] == places[3] + (order in FROM_1)


def test_contempt_is_shared_by_the_others_in_proportion():
    p = np.array([[0.2, 0.1, 0.1, 0, 0.1, 0, 0, 0.5]])  # ferplus; the last is contempt
    np.testing.assert_allclose(reorder(p, "ferplus", "fer2013"), [[0.2, 0, 0, 0.2, 0, 0.2, 0.4]])
    np.testing.assert_array_equal(renumber([7, 0], "ferplus", "alphabetical"), [-1, 4])
    np.testing.assert_array_equal(reorder(p, "ferplus", "affectnet")[0, 7], 0.5)
    with pytest.raises(FerlabError, match="row 1 has only classes"):
        reorder(np.eye(8)[[0, 7]], "ferplus", "fer2013")


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32, np.float64])
def test_votes_in_whole_numbers_keep_their_sum(kind):
    votes = np.array([[3, 1, 0, 0, 2, 0, 0, 4], [9, 1, 0, 0, 0, 0, 0, 0]], kind)  # ferplus, ten a row
    shared = reorder(votes, "ferplus", "fer2013")
    np.testing.assert_allclose(shared[0], [2 * 10 / 6, 0, 0, 10 / 6, 0, 0, 3 * 10 / 6], rtol=1e-6)
    np.testing.assert_allclose(shared.sum(1), 10, rtol=1e-6)
    assert reorder(votes, "ferplus", "affectnet").dtype == kind  # nothing is shared out


def test_an_order_may_be_a_list_of_names():
    names = ["Happiness", "sad", "angry", "contempt", "disgust", "fear", "surprise", "neutral"]
    assert renumber(range(8), names, "fer2013").tolist() == [3, 4, 0, -1, 1, 2, 5, 6]
    for wrong in (names[1:], [*names, "joy"], ["happy"]):
        with pytest.raises(FerlabError, match=r"expected angry, disgust.*each once"):
            labels_of(wrong)
    with pytest.raises(FerlabError, match="'smile' is no expression"):
        labels_of([*names[1:], "smile"])


def test_what_does_not_fit_is_refused():
    with pytest.raises(FerlabError, match="choose one of fer2013, ferplus"):
        labels_of("imagenet")
    with pytest.raises(FerlabError, match=r"expected \[N,8\]"):
        reorder(np.ones((3, 7)), "affectnet", "fer2013")
    for labels in ([8], [-1], [0.5], ["happy"]):
        with pytest.raises(FerlabError, match="0 to 7"):
            renumber(labels, "ferplus", "fer2013")
    for labels in ([0], [8]):
        with pytest.raises(FerlabError, match="1 to 7 for the label order rafdb"):
            renumber(labels, "rafdb", "fer2013")
