"""Pickled numpy arrays, as VGGFace2's .pkl files hold them, without pickle's power to run code.

A pickle is a program: it names callables and calls them. Here every name but the few that arrays need is refused, and
those few stand for inert records below, so that neither code of the file's choice nor numpy's own restoring of forged
arrays is ever run.
"""

import re
from collections import OrderedDict
from pathlib import Path
from pickle import Unpickler, UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor


def load(path: Path) -> Any:
    """What a file pickled, with arrays as float32 or int64 tensors, also in dicts and in dicts of dicts.

    Raises:
        UnpicklingError: it asks for anything but arrays, dicts, lists, texts and numbers.
        Exception: whatever else pickle raises for a damaged file.
    """
    with path.open("rb") as file:
        return _tensors(_Arrays(file, encoding="latin1").load(), depth=2)  # latin1: arrays pickled by Python 2


class _Dtype:
    def __init__(self, code: str, *_: Any):
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]


class _Array:
    def __init__(self, *state: Any):
        if state:
            self.__setstate__(state)

    def __setstate__(self, state: tuple) -> None:
        _, self.shape, self.dtype, self.fortran, self.data = state

    def tensor(self) -> Tensor:
        if not re.fullmatch("[fiub][1248]", self.dtype.code) or self.dtype.order not in ("<", ">", "=", "|"):
            raise UnpicklingError(f"an array of {self.dtype.code!r} is no array of numbers")
        dtype = np.dtype(self.dtype.order + self.dtype.code)
        data = self.data.encode("latin1") if isinstance(self.data, str) else self.data
        array = np.frombuffer(data, dtype).reshape(self.shape, order="F" if self.fortran else "C")
        return torch.from_numpy(array.astype(np.float32 if dtype.kind == "f" else np.int64, order="C"))


def _reconstruct(*_: Any) -> _Array:  # of an empty array, which __setstate__ fills
    return _Array()


def _frombuffer(data: Any, dtype: _Dtype, shape: tuple, order: str) -> _Array:  # of pickle's protocol 5
    return _Array(1, shape, dtype, order == "F", data)


def _scalar(dtype: _Dtype, data: Any) -> _Array:
    return _Array(1, (), dtype, False, data)


def _encode(text: str, encoding: str) -> bytes:  # how protocol 2 writes bytes
    if encoding != "latin1":
        raise UnpicklingError(f"it asks for the encoding {encoding!r}")
    return text.encode("latin1")


_KNOWN = {
    "collections.OrderedDict": OrderedDict,
    "_codecs.encode": _encode,
    "numpy.ndarray": _Array,
    "numpy.dtype": _Dtype,
    "numpy._core.multiarray._reconstruct": _reconstruct,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy._core.numeric._frombuffer": _frombuffer,
}


class _Arrays(Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        wanted = f"{module.replace('numpy.core', 'numpy._core')}.{name}"  # numpy 2 renamed it
        if wanted not in _KNOWN:
            raise UnpicklingError(f"it asks to run {module}.{name}")
        return _KNOWN[wanted]


def _tensors(content: Any, depth: int) -> Any:
    if isinstance(content, dict) and depth:
        return {key: _tensors(value, depth - 1) for key, value in content.items()}
    return content.tensor() if isinstance(content, _Array) else content
