"""A checkpoint is loaded without running code, and a damaged one is refused."""

import builtins
import hashlib
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from ferlab.errors import FerlabError
from ferlab.runs.checkpoints import BEFORE, BEST, LAST, load, newest
from ferlab.training.durable_checkpoints import DurableCheckpointIO


def checkpoint(value: float = 1.0, n: int = 10_000) -> dict:
    return {"state_dict": {"net.w": torch.full((n,), value)}, "epoch": 1}


def save(path: Path, value: float = 1.0, n: int = 10_000) -> None:
    DurableCheckpointIO().save_checkpoint(checkpoint(value, n), path)


def value_of(path: Path) -> float:
    return load(path)["state_dict"]["net.w"][0].item()


class Bomb:
    """Runs when unpickled."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return (builtins.exec, (f"open({str(self.marker)!r}, 'w').close()",))


def bombs(path: Path, marker: Path, kind: str) -> None:
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"state_dict": {}, "bomb": Bomb(marker)}, protocol=2))
    elif kind == "torch":
        torch.save({"state_dict": {"net.w": torch.zeros(1)}, "bomb": Bomb(marker)}, path)
    else:
        torch.save({"state_dict": {}, "bomb": Bomb(marker)}, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("kind", ["pickle", "torch", "torch before 1.6"])
def test_a_pickle_bomb_does_not_go_off(tmp_path, kind):
    marker = tmp_path / "went off"
    bombs(tmp_path / LAST, marker, kind)
    with pytest.raises(FerlabError, match="no checkpoint that can be loaded safely") as caught:
        load(tmp_path / LAST)
    assert "\n" not in str(caught.value)
    assert not marker.exists()


def damaged(path: Path, how: str) -> None:
    save(path)
    content = path.read_bytes()
    if how == "directory":
        path.unlink()
        path.mkdir()
        return
    path.write_bytes(
        {
            "empty": b"",
            "truncated": content[: len(content) // 2],
            "html": b"<!doctype html><title>404</title>",
            "one bit": content[:20_000] + bytes([content[20_000] ^ 1]) + content[20_001:],
        }[how]
    )


@pytest.mark.parametrize("how", ["empty", "truncated", "html", "directory", "one bit"])
def test_a_damaged_file_is_refused_and_the_one_before_is_taken(tmp_path, how):
    save(tmp_path / LAST, 7.0)
    damaged(tmp_path / LAST, how)
    with pytest.raises(FerlabError, match=LAST):
        load(tmp_path / LAST)
    path, faults = newest(tmp_path)
    assert value_of(path) == 7.0
    assert path.name == BEFORE
    assert len(faults) == 1
    assert LAST in faults[0]


def test_whichever_bit_changes_the_file_is_refused_or_holds_the_same(tmp_path):
    save(tmp_path / LAST, 7.0, n=100)
    content = (tmp_path / LAST).read_bytes()
    refused = 0
    for place in (*range(0, len(content), 41), *range(len(content) - 71, len(content))):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        (tmp_path / LAST).write_bytes(changed)
        try:
            assert value_of(tmp_path / LAST) == 7.0
            assert place >= len(content) - 71  # in the sum itself
        except FerlabError:
            refused += 1
    assert refused >= len(content) // 41 + 64


def test_a_checkpoint_of_an_older_version_has_its_sum_beside_it(tmp_path):
    torch.save(checkpoint(1.0), tmp_path / BEST)
    sum_file = tmp_path / f"{BEST}.sha256"
    sum_file.write_text(hashlib.sha256((tmp_path / BEST).read_bytes()).hexdigest() + "\n")
    assert value_of(tmp_path / BEST) == 1.0
    torch.save(checkpoint(2.0), tmp_path / BEST)
    with pytest.raises(FerlabError, match=r"its sha256 differs from best\.ckpt\.sha256"):
        load(tmp_path / BEST)
    sum_file.unlink()
    assert value_of(tmp_path / BEST) == 2.0


def test_nothing_that_loads_says_each_reason(tmp_path):
    damaged(tmp_path / LAST, "one bit")
    with pytest.raises(FerlabError, match=r"sha256 differs.*before_last\.ckpt is no checkpoint file; leave out ckpt"):
        newest(tmp_path)


@pytest.mark.parametrize("content", [[1, 2], {"model": {}}, torch.zeros(2), {"state_dict": [1]}])
def test_what_holds_no_weights_is_refused(tmp_path, content):
    torch.save(content, tmp_path / BEST)
    with pytest.raises(FerlabError, match="holds no state_dict"):
        load(tmp_path / BEST)


def test_a_zip_that_is_no_checkpoint_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / BEST, "w") as file:
        file.writestr("data.pkl", b"cos\nsystem\n(S'touch went_off'\ntR.")
    with pytest.raises(FerlabError, match="no checkpoint"):
        load(tmp_path / BEST)
