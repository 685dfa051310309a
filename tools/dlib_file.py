"""A .dat of dlib's enters, the tensors of its face recognition net leave, under the names of `nets.dlib_resnet`.

dlib writes a net as the state of its C++ layers, the classifier first, without names or an index. Its tensors stand in
it as a version (2), their four sizes and their float32; all else, short settings, is passed over. The net is known by
what its tensors are: 59, of exactly these sizes.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ferlab.nets.dlib_resnet import DlibResNet

PREFIX = "dlib."  # of all names, for a reader to know whose they are
_SMALLEST = 32  # numbers in a tensor; dlib's settings are shorter
_EPS = 1e-5  # of the batch norms


def load(path: Path) -> dict[str, Tensor]:
    """Convolutions, and batch norms that compute dlib's constants: mean 0, variance 1 - eps.

    Raises:
        ValueError: it is not this net.
    """
    found = _tensors(path.read_bytes())
    shapes = _convolutions()
    sizes = [size for _, _, shape in shapes for size in (np.prod(shape) + shape[0], 2 * shape[0])] + [256 * 128]
    if [len(values) for values in found] != sizes:
        raise ValueError(
            f"expected the {len(sizes)} tensors of dlib_face_recognition_resnet_model_v1.dat, "
            f"found {len(found)} tensors{', of other sizes' if len(found) == len(sizes) else ''}"
        )
    state = {}
    for (conv, norm, shape), filters, affine in zip(shapes, found[0::2], found[1::2], strict=False):
        gain, bias = affine.reshape(2, shape[0])
        state[f"{PREFIX}{conv}.weight"] = filters[: -shape[0]].reshape(shape)
        # The convolution's own bias goes through the constants that follow it.
        state[f"{PREFIX}{norm}.bias"] = bias + gain * filters[-shape[0] :]
        state[f"{PREFIX}{norm}.weight"] = gain
        state[f"{PREFIX}{norm}.running_mean"] = np.zeros_like(gain)
        state[f"{PREFIX}{norm}.running_var"] = np.full_like(gain, 1 - _EPS)
    return {name: torch.from_numpy(values.copy()) for name, values in state.items()}


def _convolutions() -> list[tuple[str, str, torch.Size]]:
    """(convolution, its norm, shape of its filters) in the file's order, which is the net's."""
    with torch.device("meta"):
        modules = DlibResNet().named_modules()
    found = [(name, module.weight.shape) for name, module in modules if isinstance(module, nn.Conv2d)]
    return [(name, name.replace("conv", "bn"), shape) for name, shape in found]


def _tensors(data: bytes) -> list[np.ndarray]:
    found, at = [], 0
    while (at := data.find(b"\x01\x02", at)) >= 0:  # the integer 2, in dlib's form: its length in bytes, its bytes
        sizes, start = _integers(data, at + 2, 4)
        n = int(np.prod(sizes)) if sizes and all(0 < size < 10**7 for size in sizes) else 0
        if n >= _SMALLEST and start + 4 * n <= len(data):
            values = np.frombuffer(data, "<f4", n, start)
            if np.isfinite(values).all() and np.abs(values).max() < 1e4:
                found.append(values)
                at = start + 4 * n
                continue
        at += 1
    return found


def _integers(data: bytes, at: int, count: int) -> tuple[list[int], int]:
    """That many integers from a place, and the place behind them; none where no integers stand."""
    values = []
    for _ in range(count):
        length = data[at] & 15 if at < len(data) else 0
        if not 0 < length <= 8:
            return [], at
        values.append(int.from_bytes(data[at + 1 : at + 1 + length], "little"))
        at += 1 + length
    return values, at
