"""What is saved is whole and finite, or what was there before stays."""

import errno
import os
import subprocess
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from ferlab.errors import FerlabError
from ferlab.runs import directory
from ferlab.runs.checkpoints import BEFORE, BEST, LAST, load, newest
from ferlab.training import fit as training
from ferlab.training.durable_checkpoints import DurableCheckpointIO
from tests.dying import deaths


def checkpoint(value: float = 1.0, n: int = 10_000) -> dict:
    return {"state_dict": {"net.w": torch.full((n,), value)}, "epoch": 1}


def save(path: Path, value: float = 1.0, n: int = 10_000) -> None:
    DurableCheckpointIO().save_checkpoint(checkpoint(value, n), path)


def value_of(path: Path) -> float:
    return load(path)["state_dict"]["net.w"][0].item()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_saved_and_loaded(tmp_path):
    save(tmp_path / "new" / LAST, 3.0)
    assert value_of(tmp_path / "new" / LAST) == 3.0
    with zipfile.ZipFile(tmp_path / "new" / LAST) as file:
        content = (tmp_path / "new" / LAST).read_bytes()
        assert file.comment == b"sha256 " + sha256(content[:-64]).hexdigest().encode()
        assert file.testzip() is None
    assert DurableCheckpointIO().load_checkpoint(tmp_path / "new" / LAST, weights_only=False)["epoch"] == 1


def test_last_keeps_the_one_before_it_and_best_does_not(tmp_path):
    for value in (1.0, 2.0, 3.0):
        save(tmp_path / LAST, value)
        save(tmp_path / BEST, value)
    assert (value_of(tmp_path / LAST), value_of(tmp_path / BEFORE), value_of(tmp_path / BEST)) == (3.0, 2.0, 3.0)
    assert names(tmp_path) == {LAST, BEFORE, BEST}


@pytest.mark.parametrize("older", [False, True])
def test_a_moved_run_knows_its_best_and_how_good_that_is(tmp_path, older):
    """Here best.ckpt is of a later epoch than last.ckpt, as after a kill between the two."""

    def saved(name: str, score: float) -> None:
        best = "/elsewhere/best.ckpt"
        of_best = {"dirpath": "/elsewhere", "best_k_models": {best: torch.tensor(score)}, "kth_best_model_path": best}
        of_best |= {"best_model_path": best, "best_model_score": torch.tensor(score), "kth_value": torch.tensor(score)}
        of_last = {"dirpath": "/elsewhere", "best_k_models": {}, "best_model_score": None}
        states = {"best": of_best, "last": of_last, "ema": {"latest": 3}}
        DurableCheckpointIO().save_checkpoint(checkpoint(score) | {"callbacks": states}, tmp_path / name)

    saved(LAST, 0.5)
    saved(BEST, 0.75)
    if older:
        torch.save(
            {key: value for key, value in load(tmp_path / BEST).items() if key != "val_accuracy"}, tmp_path / BEST
        )
    states = DurableCheckpointIO().load_checkpoint(tmp_path / LAST)["callbacks"]
    score, best = (0.5 if older else 0.75), str(tmp_path / BEST)
    assert states["ema"] == {"latest": 3}
    assert states["best"]["dirpath"] == states["last"]["dirpath"] == str(tmp_path)
    assert states["best"]["best_k_models"] == {best: score}
    assert (states["best"]["best_model_score"], states["best"]["kth_value"]) == (score, score)
    assert states["best"]["best_model_path"] == states["best"]["kth_best_model_path"] == best


def as_older_versions_did(path: Path) -> None:
    """Keep the sum of a checkpoint in a file beside it instead of in its end."""
    torch.save(load(path), path)
    path.with_name(f"{path.name}.sha256").write_text(sha256(path.read_bytes()).hexdigest() + "\n")


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("saves", [0, 1, 2, 3])
def test_wherever_a_save_is_killed_the_checkpoint_before_or_the_new_one_is_whole(tmp_path, saves, older):
    def folder_of(n: int) -> Path:
        folder = tmp_path / f"{n}"
        folder.mkdir()
        for value in range(saves):
            for name in (LAST, BEST):
                save(folder / name, value)
        for path in folder.glob("*.ckpt") if older else ():
            as_older_versions_did(path)
        return folder

    for folder in deaths(folder_of, lambda folder: [save(folder / name, saves) for name in (LAST, BEST)]):
        if saves or (folder / LAST).exists():
            assert value_of(newest(folder)[0]) in (saves - 1, saves)
            assert not (folder / BEST).exists() or value_of(folder / BEST) in (saves - 1, saves)
            assert (folder / BEST).exists() or not saves
        for value in (saves + 1, saves + 2):  # whoever goes on finds both names whole again
            save(folder / LAST, value)
        assert (value_of(folder / LAST), value_of(folder / BEFORE)) == (saves + 2, saves + 1)


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
@pytest.mark.parametrize("fails", ["write", "fsync", "replace"])
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
        else:
            replaced = os.replace
            patch.setattr(os, "replace", lambda a, b: refuse() if str(a).endswith(".part") else replaced(a, b))
        with pytest.raises(FerlabError, match="No space left"):
            save(tmp_path / name, 2.0)
    assert not [n for n in names(tmp_path) if ".part" in n]
    if fails == "replace" and name == LAST:  # the rename itself was refused, after last was set aside
        assert newest(tmp_path)[0].name == BEFORE
    else:
        assert names(tmp_path) == before
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


def test_continuing_a_foreign_run_deletes_nothing_elsewhere(run, config, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    folder = run.path / directory.CHECKPOINTS
    foreign = load(folder / LAST)
    states = [state for state in foreign["callbacks"].values() if "best_model_path" in state]
    for state in states:
        state |= dict.fromkeys(("best_model_path", "last_model_path"), f"{folder.resolve()}/../../../victim")
        assert Path(state["best_model_path"]).samefile(victim)
    assert len(states) == 2
    DurableCheckpointIO().save_checkpoint(foreign, folder / LAST)
    more = training.train(config("name=run", "trainer.max_epochs=2", "ckpt=last"))
    assert more.info["epochs"] == 2
    assert victim.read_text() == "mine"
