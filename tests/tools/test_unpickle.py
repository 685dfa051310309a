"""Unpickling: arrays come back as they were pickled, and no pickle runs code."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from ferlab.errors import FerlabError
from tools import unpickle
from tools.convert_weights import convert


def pickled(path: Path, content: object, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def test_arrays_come_back_as_pickled(tmp_path):
    arrays = {
        "f4": np.arange(6, dtype="<f4").reshape(2, 3),
        "f2": np.arange(3, dtype="f2"),
        "f8": np.linspace(0, 1, 5),
        "big": np.arange(4, dtype=">f4"),
        "fortran": np.asfortranarray(np.arange(6, dtype="f4").reshape(2, 3)),
        "count": np.array(7),
        "scalar": np.float32(0.5),
        "part": np.arange(10, dtype="f4")[::2],
    }
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        found = unpickle.load(pickled(tmp_path / "x.pkl", {"state_dict": arrays, "epoch": 3}, protocol))
        assert found["epoch"] == 3
        for name, array in arrays.items():
            np.testing.assert_array_equal(found["state_dict"][name].numpy(), np.asarray(array), err_msg=name)


def test_what_python_2_pickled_is_read(tmp_path):
    # pickle.dumps({'a': numpy.arange(3, dtype='f4')}, 2) of Python 2.7: texts of bytes, numpy under its old name.
    data = (
        b"\x80\x02}q\x00U\x01aq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04U\x01b"
        b"\x87q\x05Rq\x06(K\x01K\x03\x85q\x07cnumpy\ndtype\nq\x08U\x02f4K\x00K\x01\x87q\tRq\n(K\x03U\x01<NNNJ\xff\xff\xff"
        b"\xffJ\xff\xff\xff\xffK\x00tb\x89U\x0c\x00\x00\x00\x00\x00\x00\x80?\x00\x00\x00@tbs."
    )
    (tmp_path / "x.pkl").write_bytes(data)
    assert unpickle.load(tmp_path / "x.pkl")["a"].tolist() == [0.0, 1.0, 2.0]


class Bomb:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("suffix", [".pkl", ".pth"])
@pytest.mark.parametrize("kind", ["plain", "torch", "old torch"])
def test_a_bomb_does_not_go_off(suffix, kind, tmp_path):
    marker, file = tmp_path / "marker", tmp_path / f"bomb{suffix}"
    for bomb in (Bomb(os.mkdir, str(marker)), Bomb(eval, f"open({str(marker)!r}, 'w')"), Bomb(Path.touch, marker)):
        content = {"state_dict": {"conv1.weight": bomb}}
        if kind == "plain":
            pickled(file, content)
        else:
            torch.save(content, file, _use_new_zipfile_serialization=kind == "torch")
        with pytest.raises(FerlabError, match=r"safely|no net that is known"):
            convert(file, tmp_path / "out.safetensors")
        assert not marker.exists()
    torch.save(content, file)
    torch.load(file, weights_only=False)
    assert marker.exists()  # it is a bomb


@pytest.mark.parametrize(
    "forged",
    [
        b"cbuiltins\neval\n(V1\ntR.",
        b"cnumpy\nload\n(Vx\ntR.",
        b"\x80\x04\x8c\x0bcollections\x8c\x1cOrderedDict.__init__.__self__\x93.",
        b"c_codecs\nencode\n(Vx\nVrot13\ntR.",
        b"ccollections\nOrderedDict\n(tR}(V__class__\ncnumpy\nmemmap\nub.",
        b"\x82\x01.",  # an extension code
        b"Vx\nQ.",  # a persistent id
        b"(cnumpy\nndarray\noV1\nb.",
    ],
)
def test_forged_pickles_are_refused(forged, tmp_path):
    (tmp_path / "x.pkl").write_bytes(forged)
    with pytest.raises(FerlabError, match="safely"):
        convert(tmp_path / "x.pkl", tmp_path / "out.safetensors")


@pytest.mark.parametrize(
    "array", [np.array([{}], dtype=object), np.zeros(2, "f4,i4"), np.array(["x"]), np.zeros(1, "c8")]
)
def test_arrays_that_hold_no_numbers_are_refused(array, tmp_path):
    file = pickled(tmp_path / "x.pkl", {"conv1.weight": array})
    with pytest.raises(FerlabError, match="no array of numbers"):
        convert(file, tmp_path / "out.safetensors")


def test_a_forged_size_allocates_nothing(tmp_path):
    data = pickle.dumps({"a": np.zeros(64, "f4")}, 2)
    (tmp_path / "x.pkl").write_bytes(data.replace(b"K@\x85", b"J\xff\xff\xff\x7f\x85"))
    with pytest.raises(FerlabError, match="safely"):
        convert(tmp_path / "x.pkl", tmp_path / "out.safetensors")
