"""Random numbers that depend on (seed, epoch, face index) and on nothing else.

int64 indices in, uniforms in [0,1) out: a hash of a counter, with no state to save, to fork or to restore. So batch
order, number of workers, resume and device cannot change the draws of a face. The same lines run on numpy arrays and
torch tensors and give equal bits, for both wrap int64 multiplications.
"""

from typing import TypeVar

import numpy as np
import torch

Array = TypeVar("Array", np.ndarray, torch.Tensor)


def _signed(value: int) -> int:
    """A Python integer as the int64 of the same lowest 64 bits."""
    return ((value + 2**63) % 2**64) - 2**63


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_MIX1 = _signed(0xBF58476D1CE4E5B9)
_MIX2 = _signed(0x94D049BB133111EB)


def _shifted(x: Array, bits: int) -> Array:
    """Logical right shift: int64 shifts drag the sign in, the mask takes it out."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Array) -> Array:
    """The output function of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014), a bijection of 64 bits."""
    x = (x ^ _shifted(x, 30)) * _MIX1
    x = (x ^ _shifted(x, 27)) * _MIX2
    return x ^ _shifted(x, 31)


def face_keys(index: Array, epoch: "int | Array", seed: int) -> Array:
    """One 64-bit key a face, int64 [B], from int64 [B] indices, the epoch (int or 0-dim int64) and the run's seed."""
    key = _mix(index[:1] * 0 + _signed(seed + _GOLDEN))  # [1], made on the indices' device without a copy from the host
    key = _mix(key + epoch * _array(_GOLDEN, key))
    return _mix(key + index * _GOLDEN)


def _array(value: int, like: Array) -> Array:
    """[1] int64 of `like`'s kind: a Python product of epoch and constant would not wrap."""
    return like * 0 + value


def uniforms(index: Array, epoch: "int | Array", seed: int, columns: Array) -> Array:
    """float32 [B,D] in [0,1), multiples of 2^-24, for int64 indices [B] and columns int64 [D] (1, 2, ... D)."""
    bits = _shifted(_mix(face_keys(index, epoch, seed)[:, None] + columns[None] * _GOLDEN), 40)  # 24 bits
    if isinstance(bits, np.ndarray):
        return bits.astype(np.float32) * np.float32(2**-24)
    return bits.to(torch.float32) * 2**-24
