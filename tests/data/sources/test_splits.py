"""Groups into train, val and test by hash."""

import numpy as np
import pytest

from ferlab.data.sources.splits import divide
from ferlab.errors import FerlabError


def by_group(groups, *options, **more):
    """Of faces that have no split."""
    return divide(np.full(len(groups), -1), groups, *options, **more)


def test_equal_groups_share_a_split_whatever_their_order():
    groups = [f"person {i % 40}" for i in range(200)]
    codes = by_group(groups, None, seed=0)
    assert codes.dtype == np.uint8
    assert [len({g for g, c in zip(groups, codes, strict=True) if c == split}) for split in range(3)] == [32, 4, 4]
    of = dict(zip(groups, codes, strict=True))
    assert [of[group] for group in groups] == codes.tolist()
    np.testing.assert_array_equal(by_group(groups[::-1], None, seed=0), codes[::-1])
    assert not np.array_equal(by_group(groups, None, seed=1), codes)
    np.testing.assert_array_equal(by_group([group.encode() for group in groups], None, seed=0), codes)


def test_three_groups_are_enough_and_shares_can_be_set():
    assert sorted(by_group(["a", "b", "c"], None, 0)) == [0, 1, 2]
    codes = by_group([str(i) for i in range(100)], None, 0, val_share=0.2, test_share=0.05)
    assert np.bincount(codes).tolist() == [75, 20, 5]


def test_all_faces_can_go_into_one_split():
    assert by_group(["a", "b"], "test", 0).tolist() == [2, 2]
    for groups, split, message in (
        (["a"], "training", "choose one of train, val, test"),
        (["a", "b"], None, "needs 3"),
    ):
        with pytest.raises(FerlabError, match=message):
            by_group(groups, split, 0)
    with pytest.raises(FerlabError, match="leave none of 4 to train on"):
        by_group(list("abcd"), None, 0, 0.5, 0.5)


def of(codes, split):
    return np.flatnonzero(codes == split).tolist()


def test_stated_splits_stay_and_train_gives_what_is_missing():
    groups = [f"person {i % 40}" for i in range(200)]
    whole = np.arange(200) % 3
    assert divide(whole, groups, None, 0).tolist() == whole.tolist()
    for missing, shares in ((1, {"val_share": 0.2}), (2, {"test_share": 0.2})):
        stated = np.where(whole == missing, 0, whole)
        codes = divide(stated, groups, None, 0, **shares)
        assert of(codes, 3 - missing) == of(stated, 3 - missing)
        new, rest = ({groups[i] for i in of(codes, s)} for s in (missing, 0))
        assert len(new) == 8
        assert not new & rest  # a person of train is in one of the two
    codes = divide(np.zeros(200, int), groups, None, 0)
    assert codes.tolist() == by_group(groups, None, 0).tolist()
    assert divide(np.full(4, 2), list("abcd"), None, 0).tolist() == [2] * 4  # without train there is nothing to give
    assert divide(whole, groups, "train", 0).tolist() == [0] * 200
    with pytest.raises(FerlabError, match="3 of 4 faces have no split"):
        divide(np.array([0, -1, -1, -1]), list("abcd"), None, 0)
