"""FER+'s votes as targets, against a scalar reading of its published rule, in fractions."""

from fractions import Fraction

import numpy as np
import pytest

from ferlab.data.sources.ferplus_votes import majority_of, targets_of
from ferlab.expressions import EXPRESSIONS, FERPLUS_COLUMNS, index_of


def counted(votes):
    return {name: int(n) for name, n in zip(FERPLUS_COLUMNS, votes, strict=True) if n >= 2}


def probability(votes):
    """The leading answers of one face, as the program that came with FER+ takes them; {} where it discards the face."""
    left, chosen = counted(votes), {}
    everything = sum(left.values())
    stopped = False
    while left and not stopped and 4 * sum(chosen.values()) < 3 * everything and len(chosen) < 3:
        peak = max(left.values())
        for name in [name for name in FERPLUS_COLUMNS if left.get(name) == peak]:
            del left[name]
            if name in ("unknown", "NF"):
                stopped = True
                break
            chosen[name] = peak
    if len(chosen) > 3 or 2 * sum(chosen.values()) <= everything:
        return {}
    if max(chosen, key=lambda name: (chosen[name], -FERPLUS_COLUMNS.index(name))) == "contempt":
        return {}
    chosen.pop("contempt", None)
    return {EXPRESSIONS[index_of(name)]: Fraction(n, sum(chosen.values())) for name, n in chosen.items()}


@pytest.fixture(scope="module")
def votes():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(10, 0.25), 3000)
    return np.stack([rng.multinomial(10, p) for p in shares])


def test_probabilities_are_those_of_the_published_rule(votes):
    found = targets_of(votes, "probability")
    assert found.dtype == np.float32
    expected = np.zeros((len(votes), 7))
    for row, one in zip(expected, votes, strict=True):
        for name, share in probability(one).items():
            row[EXPRESSIONS.index(name)] = share
    np.testing.assert_allclose(found, expected, atol=1e-6)
    kept = found.any(1)
    assert 0.1 < kept.mean() < 0.95  # both kinds are among these votes
    np.testing.assert_allclose(found[kept].sum(1), 1, atol=1e-6)


def test_the_majority_is_that_of_the_answers_that_two_or_more_gave(votes):
    found = targets_of(votes, "majority")
    for row, one in zip(found, votes, strict=True):
        answers = counted(one)
        most = [name for name, n in answers.items() if 2 * n > sum(answers.values())]
        wanted = [EXPRESSIONS[index_of(name)] for name in most if index_of(name) is not None]
        assert [EXPRESSIONS[k] for k in np.flatnonzero(row)] == wanted
        assert row.sum() == len(wanted)


@pytest.mark.parametrize(
    ("votes", "how", "expected"),
    [
        #  neu hap sur sad ang dis fea con unk NF
        ([4, 0, 0, 1, 3, 2, 0, 0, 0, 0], "probability", {"neutral": 4 / 7, "angry": 3 / 7}),
        ([4, 0, 0, 1, 3, 2, 0, 0, 0, 0], "majority", {}),  # 4 of 9
        ([4, 0, 0, 1, 3, 2, 0, 0, 0, 0], "distribution", {"neutral": 0.4, "angry": 0.3, "disgust": 0.2, "sad": 0.1}),
        ([4, 1, 1, 1, 1, 1, 1, 0, 0, 0], "majority", {"neutral": 1}),  # single votes count nothing
        ([8, 2, 0, 0, 0, 0, 0, 0, 0, 0], "probability", {"neutral": 1}),  # three quarters are enough
        ([3, 3, 0, 0, 0, 0, 0, 4, 0, 0], "probability", {}),  # contempt leads
        ([4, 2, 0, 0, 0, 0, 0, 4, 0, 0], "probability", {"neutral": 1}),  # of equals contempt comes last
        ([0, 6, 0, 0, 0, 0, 0, 4, 0, 0], "majority", {"happy": 1}),
        ([5, 0, 0, 0, 0, 0, 0, 0, 5, 0], "probability", {}),  # half is not more than half
        ([0, 4, 0, 0, 0, 0, 0, 0, 6, 0], "probability", {}),  # unknown leads
        ([2, 2, 2, 2, 2, 0, 0, 0, 0, 0], "probability", {}),  # equals, and too many of them
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], "probability", {}),
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], "majority", {}),
        ([0, 0, 0, 0, 0, 0, 0, 2, 0, 8], "distribution", {}),
    ],
)
def test_known_votes(votes, how, expected):
    (found,) = targets_of(np.array([votes]), how)
    assert {EXPRESSIONS[k]: pytest.approx(found[k]) for k in np.flatnonzero(found)} == expected


def test_no_votes():
    for how in ("probability", "majority", "distribution"):
        assert targets_of(np.zeros((0, 10), int), how).shape == (0, 7)
    assert majority_of(np.array([[6, 4, 0, 0, 0, 0, 0, 0, 0, 0], [5, 5, 0, 0, 0, 0, 0, 0, 0, 0]])).tolist() == [6, -1]
