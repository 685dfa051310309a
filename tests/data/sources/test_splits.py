"""Groups into train, val and test by hash."""

import numpy as np
import pytest

from ferlab.data.sources.splits import by_group
from ferlab.errors import FerlabError


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
