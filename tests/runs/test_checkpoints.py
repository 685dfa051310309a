"""Checkpoints under what goes wrong: a full or read-only disk, damaged files, NaN, and files that want to run code."""

import builtins
import errno
import os
import pickle
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
import torch

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.nets.five_layer import FiveLayer
from ferlab.predictors import of_run
from ferlab.runs import directory
from ferlab.runs.checkpoints import BEFORE, BEST, LAST, load, newest, sidecar
from ferlab.training import fit as training
from ferlab.training.durable_checkpoints import DurableCheckpointIO


def checkpoint(value: float = 1.0, n: int = 10_000) -> dict:
    return {"state_dict": {"net.w": torch.full((n,), value)}, "epoch": 1}


def save(path: Path, value: float = 1.0, n: int = 10_000) -> None:
    DurableCheckpointIO().save_checkpoint(checkpoint(value, n), path)


def value_of(path: Path) -> float:
    return load(path)["state_dict"]["net.w"][0].item()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def disk(tmp_path):
    """A function that mounts a small disk of its own, or skips where this user may not."""
    mounted: list[Path] = []

    def mount(size: str) -> Path:
        path = tmp_path / f"disk{len(mounted)}"
        path.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "ferlab-test", path], capture_output=True)
        if done.returncode:
            pytest.skip("mounting a small disk needs root")
        mounted.append(path)
        return path

    yield mount
    for path in mounted:
        subprocess.run(["umount", "-l", path], check=True)


def test_saved_and_loaded(tmp_path):
    save(tmp_path / "new" / LAST, 3.0)
    assert value_of(tmp_path / "new" / LAST) == 3.0
    assert sidecar(tmp_path / "new" / LAST).read_text().strip() == files.sha256_of(tmp_path / "new" / LAST)
    assert DurableCheckpointIO().load_checkpoint(tmp_path / "new" / LAST, weights_only=False)["epoch"] == 1


def test_last_keeps_the_one_before_it_and_best_does_not(tmp_path):
    for value in (1.0, 2.0, 3.0):
        save(tmp_path / LAST, value)
        save(tmp_path / BEST, value)
    assert (value_of(tmp_path / LAST), value_of(tmp_path / BEFORE), value_of(tmp_path / BEST)) == (3.0, 2.0, 3.0)
    assert names(tmp_path) == {n + s for n in (LAST, BEFORE, BEST) for s in ("", ".sha256")}


@pytest.mark.parametrize("name", [LAST, BEST])
def test_full_disk_leaves_what_was_there(disk, name):
    folder = disk("300k")
    save(folder / name, 1.0, n=20_000)  # 80 kB of 300 kB
    before = names(folder)
    with pytest.raises(FerlabError, match="checkpoint before it is intact: free some space"):
        save(folder / name, 2.0, n=70_000)
    assert names(folder) == before
    assert value_of(folder / name) == 1.0


@pytest.mark.parametrize("name", [LAST, BEST])
@pytest.mark.parametrize("fails", ["write", "fsync", "sidecar", "replace"])
def test_wherever_the_disk_refuses_what_was_there_loads(tmp_path, name, fails, monkeypatch):
    save(tmp_path / name, 1.0)
    before = names(tmp_path)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refuse(*args, **kwargs):
        raise full

    class Refusing:
        """A file that takes the first kilobytes, as a disk that fills up does."""

        def __init__(self, file):
            self.file, self.left = file, 5000

        def write(self, data):
            self.left -= len(data)
            return self.file.write(data) if self.left > 0 else refuse()

        def __getattr__(self, attribute):
            return getattr(self.file, attribute)

        def __enter__(self):
            return self

        def __exit__(self, *args):
            self.file.close()

    with pytest.MonkeyPatch.context() as patch:
        if fails == "write":
            opened = Path.open
            patch.setattr(Path, "open", lambda p, mode="r", **k: Refusing(opened(p, mode, **k)))
        elif fails == "fsync":
            patch.setattr(os, "fsync", refuse)
        elif fails == "sidecar":

            def cut_short(path, text, **kwargs):
                path.touch()  # the name takes no block, the content does
                raise full

            patch.setattr(Path, "write_text", cut_short)
        else:
            replaced = os.replace
            patch.setattr(os, "replace", lambda a, b: refuse() if str(a).endswith(".part") else replaced(a, b))
        with pytest.raises(FerlabError, match="No space left"):
            save(tmp_path / name, 2.0)
    left = {n for n in names(tmp_path) if not n.endswith(".sha256")}
    assert not [n for n in left if ".part" in n]
    if fails == "replace" and name == LAST:  # the rename itself was refused, after last was set aside
        assert newest(tmp_path)[0].name == BEFORE
    else:
        assert names(tmp_path) >= before - {sidecar(tmp_path / name).name}
        assert value_of(tmp_path / name) == 1.0


def test_read_only_disk(disk):
    folder = disk("1m")
    save(folder / LAST, 1.0)
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    with pytest.raises(FerlabError, match=r"could not save .*Read-only file system"):
        save(folder / LAST, 2.0)
    with pytest.raises(FerlabError, match=r"could not save .*Read-only file system"):
        save(folder / "new" / LAST, 2.0)
    assert value_of(folder / LAST) == 1.0


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(tmp_path):
    save(tmp_path / LAST, 1.0)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(FerlabError, match="Permission denied"):
            save(tmp_path / LAST, 2.0)
    finally:
        tmp_path.chmod(0o700)
    assert value_of(tmp_path / LAST) == 1.0


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "checkpoints").write_text("")
    with pytest.raises(FerlabError, match="could not save"):
        save(tmp_path / "checkpoints" / LAST)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["state_dict", "current_model_state"])
def test_nan_is_never_saved(tmp_path, value, part):
    for name in (LAST, BEST):
        save(tmp_path / name, 1.0)
    bad = checkpoint() | {part: {"net.w": torch.tensor([1.0, value])}}
    with pytest.raises(FerlabError, match=r"net\.w holds NaN or infinity"):
        DurableCheckpointIO().save_checkpoint(bad, tmp_path / LAST)
    if part == "state_dict":  # best keeps nothing else
        with pytest.raises(FerlabError, match="NaN"):
            DurableCheckpointIO().save_checkpoint(bad, tmp_path / BEST)
    assert value_of(tmp_path / LAST) == value_of(tmp_path / BEST) == 1.0
    assert not (tmp_path / BEFORE).exists()


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


@pytest.mark.parametrize(
    ("how", "with_sidecar"),
    # One changed bit is seen by the sha256 alone: torch does not check its zip's sums.
    [(how, s) for how in ("empty", "truncated", "html", "directory") for s in (True, False)] + [("one bit", True)],
)
def test_a_damaged_file_is_refused_and_the_one_before_is_taken(tmp_path, how, with_sidecar):
    save(tmp_path / LAST, 7.0)
    damaged(tmp_path / LAST, how)
    if not with_sidecar:
        sidecar(tmp_path / LAST).unlink()
    with pytest.raises(FerlabError, match=LAST):
        load(tmp_path / LAST)
    path, faults = newest(tmp_path)
    assert value_of(path) == 7.0
    assert path.name == BEFORE
    assert len(faults) == 1
    assert LAST in faults[0]


def test_nothing_that_loads_says_each_reason(tmp_path):
    damaged(tmp_path / LAST, "html")
    with pytest.raises(FerlabError, match=r"sha256 differs.*before_last\.ckpt is no checkpoint file; leave out ckpt"):
        newest(tmp_path)


def test_another_files_sha256_is_refused(tmp_path):
    save(tmp_path / BEST, 1.0)
    save(tmp_path / "other.ckpt", 2.0)
    shutil.copy(tmp_path / "other.ckpt", tmp_path / BEST)
    with pytest.raises(FerlabError, match=r"its sha256 differs from best\.ckpt\.sha256"):
        load(tmp_path / BEST)


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


@pytest.fixture
def run(config, monkeypatch, faces):
    monkeypatch.setattr(training, "open_config", lambda *a, **k: faces)
    return training.train(config("trainer.max_epochs=1", "name=run"))


def test_a_runs_checkpoints_hold_no_code(run, config, tmp_path):
    """`_instantiator` and `_class_path` made older Lightnings import and call what a checkpoint named."""
    last = run.path / directory.CHECKPOINTS / LAST
    state = load(last)
    marker = tmp_path / "went off"
    hostile = {
        "_instantiator": "os.system",
        "_class_path": "os.system",
        "class_path": "os.system",
        "init_args": {"command": f"touch '{marker}'"},
        "command": f"touch '{marker}'",
    }
    for key in ("hyper_parameters", "datamodule_hyper_parameters"):
        state[key] = hostile
    state |= {"hparams_name": "kwargs", "hparams_type": "os.system", "datamodule_hparams_name": "kwargs"}
    DurableCheckpointIO().save_checkpoint(state, last)
    more = training.train(config("trainer.max_epochs=2", "name=run", "ckpt=last"))
    assert more.info["status"] == "finished"
    assert not marker.exists()


def test_weights_of_another_net_are_refused_with_their_names(run):
    state = load(run.weights)["state_dict"]
    with pytest.raises(FerlabError, match=r"another net: \d+ of 30 tensors do not fit, as 0\.bias"):
        of_run.load_net(FiveLayer(1, 7, 0.3), state, run.weights)  # other width: each shape differs
    missing = {k: v for k, v in state.items() if k != "net.0.weight"}
    with pytest.raises(FerlabError, match=r"1 of 30 tensors do not fit, as 0\.weight"):
        of_run.load_net(of_run.nets_of(run.config)[0], missing, run.weights)
    with pytest.raises(FerlabError, match=r"do not fit, as 99\.weight"):
        of_run.load_net(of_run.nets_of(run.config)[0], state | {"net.99.weight": torch.zeros(1)}, run.weights)
    prefixed = {f"module.{k}": v for k, v in state.items()}
    with pytest.raises(FerlabError, match="30 of 30"):
        of_run.load_net(of_run.nets_of(run.config)[0], prefixed, run.weights)


@pytest.mark.parametrize("content", ["", "[1]", "{broken", "- a\n- b"])
def test_a_damaged_run_directory_is_refused(tmp_path, content):
    (tmp_path / directory.CONFIG).write_text(content)
    (tmp_path / directory.INFO).write_text("{}")
    with pytest.raises(FerlabError, match="no run directory"):
        directory.load(tmp_path)


def test_training_onto_a_full_disk_ends_in_a_plain_message(config, monkeypatch, faces, disk):
    monkeypatch.setattr(training, "open_config", lambda *a, **k: faces)
    # The first epoch's best and last fit (0.6 + 1.9 MB), the second's do not.
    outputs = disk("3m")
    with pytest.raises(FerlabError, match=r"No space left|could not (save|write)|file write failed"):
        training.train(config("name=full", f"outputs={outputs}"))
    folder = outputs / "full" / directory.CHECKPOINTS
    assert not [n for n in names(folder) if ".part" in n]
    path, _ = newest(folder)
    assert load(path)["global_step"] == 5
    assert load(folder / BEST)["global_step"] == 5
    assert directory.load(outputs / "full").info["status"] in ("running", "failed")
