"""Uniforms: SplitMix64, equal in numpy and torch, and no two faces alike."""

import numpy as np
import pytest
import torch
from scipy import stats

from ferlab.data.uniforms import face_keys, uniforms


@pytest.mark.parametrize("epoch", [0, 1, 77, 2**40])
@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**63 + 5, -1])
def test_numpy_and_torch_draw_equal_bits(seed, epoch):
    index, columns = np.array([0, 1, 2, 35_886, 2**40]), np.arange(1, 30)
    ours = uniforms(index, epoch, seed, columns)
    assert ours.dtype == np.float32
    assert ours.shape == (5, 29)
    for same in (epoch, torch.tensor(epoch)):
        theirs = uniforms(torch.from_numpy(index), same, seed, torch.from_numpy(columns))
        np.testing.assert_array_equal(ours.view(np.int32), theirs.numpy().view(np.int32))


def test_uniforms_are_splitmix64():
    """Against the algorithm in Python's unbounded integers."""

    def mix(z):
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    golden = 0x9E3779B97F4A7C15
    key = mix((mix((mix((9 + golden) % 2**64) + 4 * golden) % 2**64) + 123 * golden) % 2**64)
    assert int(face_keys(np.array([123]), 4, 9)[0]) % 2**64 == key
    expected = [(mix((key + c * golden) % 2**64) >> 40) / 2**24 for c in (1, 2, 3)]
    assert uniforms(np.array([123]), 4, 9, np.arange(1, 4))[0].tolist() == expected


def test_uniforms_are_uniform_and_independent():
    u = uniforms(np.arange(20_000), 0, 0, np.arange(1, 9)).astype(np.float64)
    assert u.min() >= 0
    assert u.max() < 1
    assert min(stats.kstest(column, "uniform").pvalue for column in u.T) > 1e-3
    other_seed = uniforms(np.arange(20_000), 0, 1, np.arange(1, 9))
    next_epoch = uniforms(np.arange(20_000), 1, 0, np.arange(1, 9))
    together = np.corrcoef(np.hstack([u, other_seed, next_epoch, np.roll(u, 1, 0)]).T)
    assert np.abs(together - np.eye(32)).max() < 0.035  # 5 sigma of 1/sqrt(20,000)


def test_no_two_faces_or_epochs_share_their_parameters():
    """A fork of one generator gave every worker the same draws, and every epoch again."""
    rows = np.concatenate([uniforms(np.arange(5_000), e, s, np.arange(1, 4)) for e in range(4) for s in range(2)])
    assert len(np.unique(rows, axis=0)) == len(rows)
    one = np.concatenate([uniforms(np.arange(5_000), e, 0, np.array([1]))[:, 0] for e in range(4)])
    chance = len(one) ** 2 / 2 / 2**24  # expected number of equal pairs of 24-bit numbers
    assert len(one) - len(np.unique(one)) < chance + 6 * chance**0.5
