"""One training by two processes: the same run as one process makes, in one directory, whatever ends it."""

import ast
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from lightning_fabric.plugins.environments.lightning import find_free_network_port

from ferlab.errors import FerlabError
from ferlab.jobs import sweep_record
from ferlab.predictors.of_run import predictor_of
from ferlab.runs import checkpoints, directory
from ferlab.training import distributed
from ferlab.training import fit as training
from tests.training.test_loggers import read

# Batch norm takes its statistics over each process's share on a CPU, and dropout draws other masks: neither is in it.
NET = """
name: no_norm
net:
  _target_: torch.nn.Sequential
  _args_:
    - {_target_: torch.nn.Conv2d, in_channels: 1, out_channels: 8, kernel_size: 3, stride: 2}
    - {_target_: torch.nn.ReLU}
    - {_target_: torch.nn.Conv2d, in_channels: 8, out_channels: 16, kernel_size: 3, stride: 2}
    - {_target_: torch.nn.ReLU}
    - {_target_: torch.nn.Flatten}
    - {_target_: torch.nn.Linear, in_features: 1936, out_features: 7}
input: {size: 48, channels: 1, mean: [0.508], std: [0.255]}
"""
TWO = ("trainer.devices=2", "strategy=ddp")
# What Python runs at its start in each rank. A step may talk to the other ranks by DDP's reducer alone, which is C++.
COUNTED = """
import atexit, collections, os, pathlib, sys
if "ferlab.train" in sys.orig_argv:
    import torch.distributed as d
    talks = collections.Counter()
    def counted(name, function):
        def call(*args, **kwargs):
            talks[name] += 1
            return function(*args, **kwargs)
        return call
    for name in ("broadcast", "all_reduce", "all_gather", "barrier", "broadcast_object_list"):
        setattr(d, name, counted(name, getattr(d, name)))
    atexit.register(lambda: pathlib.Path("talks" + os.environ.get("LOCAL_RANK", "0")).write_text(repr(dict(talks))))
"""


@pytest.fixture
def at_start(tmp_path):
    """The environment in which each Python begins with some code."""

    def environment(code: str) -> dict[str, str]:
        (tmp_path / "sitecustomize.py").write_text(code)
        return {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}

    return environment


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """Start `python -m ferlab.train` in a folder of its own, in a session of its own as a terminal's."""
    folder = tmp_path_factory.mktemp("ddp")
    (folder / "own" / "model").mkdir(parents=True)
    (folder / "own" / "model" / "no_norm.yaml").write_text(NET)
    hidden = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB_", "FERLAB_", "LOCAL_RANK", "WORLD_"))}
    plain = hidden | {"FERLAB_DATA": str(folder / "data"), "OMP_NUM_THREADS": "1", "HOME": str(folder)}
    small = ["data=drawn", "data.n_val=70", "data.n_test=70", "batch_size=32", "trainer.enable_progress_bar=false"]
    small += ["trainer.accelerator=cpu", "trainer.precision=32-true", "model=no_norm", "schedule=constant", "lr=0.005"]

    def start(
        *words: str, flags: tuple[str, ...] = (), start: tuple[str, ...] = (), env: dict[str, str] | None = None
    ) -> subprocess.Popen:
        module = [*start, "ferlab.train"]
        command = [sys.executable, "-m", *module, "--config-dir", "own", *flags, *small, *words]
        return subprocess.Popen(
            command, cwd=folder, env=plain | (env or {}), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip

    start.folder = folder
    return start


def finished(process: subprocess.Popen) -> str:
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0, out
    return out


def state(folder: Path, name: str, part: str = "state_dict") -> dict[str, torch.Tensor]:
    return checkpoints.load(folder / "outputs" / name / directory.CHECKPOINTS / checkpoints.LAST)[part]


def columns(folder: Path, name: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row in directory.load(folder / "outputs" / name).metrics_rows():
        for key, value in row.items():
            found.setdefault(key, []).append(float(value))
    return found


@pytest.mark.slow
def test_two_processes_train_what_one_does(typed, at_start):
    small = ("data.n_train=320", "trainer.max_epochs=4", "class_weights=balanced", "label_smoothing=0.1", "mixup=0.0")
    finished(typed(*small, "wandb=offline", "name=one"))
    out = finished(typed(*small, "wandb=offline", "name=two", *TWO, env=at_start(COUNTED)))
    outputs = typed.folder / "outputs"
    assert sorted(path.name for path in outputs.iterdir()) == ["one", "two"]
    for said in ("run outputs/two:", "epoch 4 of 4:", "; next: python"):
        assert out.count(said) == 1  # only rank zero speaks

    for part in ("state_dict", "current_model_state"):
        one, two = state(typed.folder, "one", part), state(typed.folder, "two", part)
        assert one.keys() == two.keys()
        for key in one:
            torch.testing.assert_close(two[key], one[key], rtol=0, atol=1e-6)
    assert max(t.abs().max() for t in state(typed.folder, "one").values()) > 0.1
    one, two = columns(typed.folder, "one"), columns(typed.folder, "two")
    assert len(one["train/loss"]) == 4
    for key in ("train/loss", "train/accuracy", "lr", "val/loss", "val/accuracy", "val/macro_recall", "val/macro_f1"):
        assert two[key] == pytest.approx(one[key], abs=1e-5), key

    # Written once: one CSV log, one W&B run, one config.
    assert [path.name for path in (outputs / "two" / directory.LOG).iterdir()] == ["0"]
    assert read(outputs / "two")["curves"]["train/loss"] == pytest.approx(one["train/loss"], abs=1e-5)
    assert yaml.safe_load((outputs / "two" / directory.CONFIG).read_text())["strategy"] == "ddp"
    first, second = (directory.load(outputs / name).info for name in ("one", "two"))
    assert (first["val_accuracy"], first["best_epoch"]) == (second["val_accuracy"], second["best_epoch"])

    # In the 40 steps nothing but gradients and five words of rank zero; what else is said is said at an epoch's end.
    talks = [ast.literal_eval((typed.folder / f"talks{rank}").read_text()) for rank in range(2)]
    assert talks[0] == talks[1]
    assert talks[0]["broadcast"] == 5 + 1


@pytest.mark.slow
def test_with_batch_norm_what_is_measured_is_what_is_saved(typed):
    words = ("data.n_train=320", "model=five_layer", "+model.net.width=0.25", "trainer.max_epochs=2", "wandb=off")
    finished(typed(*words, "ema_decay=0.5", "name=norm", *TWO))
    run = directory.load(typed.folder / "outputs" / "norm")
    val = training.open_config({**run.config["data"], "root": str(typed.folder / "data")}).of_split("val")
    with torch.inference_mode():
        probabilities = predictor_of(run)(torch.from_numpy(val.pixels).unsqueeze(1))
    at = int(run.info["best_epoch"])
    loss = -probabilities[torch.arange(len(val)), torch.from_numpy(val.labels)].log().mean()
    assert float(loss) == pytest.approx(columns(typed.folder, "norm")["val/loss"][at], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("everyone", [False, True])
def test_sigterm_stops_both_at_a_step_and_continuing_gives_the_uninterrupted_weights(typed, everyone):
    words = ("data.n_train=640", "trainer.max_epochs=30", "wandb=off", *TWO)
    if not (typed.folder / "outputs" / "whole").exists():
        finished(typed(*words, "name=whole"))
    name = f"stopped{everyone}"
    process = typed(*words, f"name={name}")
    wait_for(process, typed.folder / "outputs" / name / directory.CHECKPOINTS / checkpoints.LAST)
    (os.killpg if everyone else os.kill)(process.pid, signal.SIGTERM)  # a cluster signals all, a user one
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 143, out
    assert out.count("ckpt=last to continue") == 1
    assert columns(typed.folder, name)["epoch"][-1] < 29
    finished(typed(*words, f"name={name}", "ckpt=last"))
    whole, continued = state(typed.folder, "whole"), state(typed.folder, name)
    assert all(torch.equal(whole[key], continued[key]) for key in whole)
    assert not (typed.folder / "outputs" / f"{name}-2").exists()


def wait_for(process: subprocess.Popen, path: Path) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_each_job_of_a_sweep_starts_its_own_ranks(typed, launcher):
    if launcher == "joblib":
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    words = ("data.n_train=320", "trainer.max_epochs=2", "wandb=off", f"name={launcher}-a,{launcher}-b", *TWO)
    sweep = (f"hydra/launcher={launcher}", f"hydra.sweep.dir=outputs/sweeps/{launcher}")
    finished(typed(*words, *sweep, flags=("-m",)))
    listed = json.loads((typed.folder / "outputs" / "sweeps" / launcher / sweep_record.SWEEP).read_text())["jobs"]
    assert [job["status"] for job in listed] == ["finished", "finished"]
    first, second = (state(typed.folder, f"{launcher}-{x}") for x in "ab")
    assert all(torch.equal(first[key], second[key]) for key in first)  # the same run twice


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("batch_size=31",), "batch_size=32, or trainer.devices=1"),
        (("batch_size=2",), "batch_size=4, or"),
        (("strategy=fsdp",), "choose auto, ddp, ddp_find_unused_parameters_true"),
        (("trainer.devices=0",), "trainer.devices is 0"),
        (("trainer.devices=-1",), "trainer.devices is -1"),  # on a CPU
        (("trainer.devices=[0]",), r"trainer.devices is \[0\]"),
    ],
)
def test_what_two_processes_would_train_otherwise_is_refused_before_anything_is_written(
    config, faces, monkeypatch, tmp_path, overrides, message
):
    monkeypatch.setattr(training, "open_config", lambda *a, **k: faces)
    with pytest.raises(FerlabError, match=message):
        training.train(config("trainer.devices=2", *overrides))
    assert not list((tmp_path / "outputs").glob("*"))


def test_gradual_unfreezing_needs_one_device():
    distributed.refuse(1, batch_size=31, unfreeze_every=1)
    with pytest.raises(FerlabError, match=r"unfreeze_every=1 needs trainer\.devices=1"):
        distributed.refuse(2, batch_size=32, unfreeze_every=1)


CONFIG = {"trainer": {"devices": 2, "num_nodes": 1}}


def test_ranks_and_their_number_are_those_of_whoever_started_them(monkeypatch):
    assert (distributed.rank_of(CONFIG), distributed.started()) == (0, 0)
    with monkeypatch.context() as started_by_rank_zero:
        started_by_rank_zero.setenv("LOCAL_RANK", "1")
        started_by_rank_zero.setenv("WORLD_SIZE", "2")
        assert (distributed.rank_of(CONFIG), distributed.started()) == (1, 2)
        assert distributed.rank_of({"trainer": {"devices": 1, "num_nodes": 1}}) == 0
        for name, value in (("RANK", "5"), ("TORCHELASTIC_RUN_ID", "x")):
            started_by_rank_zero.setenv(name, value)
        assert distributed.rank_of(CONFIG) == 5
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    assert (distributed.rank_of(CONFIG), distributed.started()) == (1, 2)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")  # Slurm has started a run, not a rank
    assert (distributed.rank_of(CONFIG), distributed.started()) == (0, 0)


SLURM = {"SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_JOB_ID": "7"}
SLURM |= {"SLURM_PROCID": "1", "SLURM_LOCALID": "1", "SLURM_NODEID": "0", "SLURM_JOB_NAME": "x"}
NODES = ("trainer.num_nodes=2", "strategy=ddp")


def slurm(rank: int, nodes: bool) -> dict[str, str]:
    """What srun gives one of two ranks, on one node or on a node of its own."""
    own = {"SLURM_PROCID": str(rank), "SLURM_LOCALID": "0" if nodes else str(rank)}
    of_nodes = {"SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURM_NODEID": str(rank)}
    return SLURM | own | (of_nodes | {"SLURM_NODELIST": "127.0.0.1"} if nodes else {})


def test_srun_without_tasks_of_a_node_is_refused(monkeypatch):
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SLURM_NTASKS_PER_NODE")
    with pytest.raises(FerlabError, match="type srun --ntasks-per-node=N"):
        distributed.rank_of(CONFIG)


def test_as_many_devices_as_ranks_are_demanded(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(FerlabError, match=r"started 2 ranks for 1 devices; type trainer\.devices=2 strategy=ddp"):
        distributed.refuse(1, batch_size=32, unfreeze_every=0)


def test_several_nodes_need_what_starts_the_ranks_on_them(monkeypatch):
    with pytest.raises(FerlabError, match=r"trainer\.num_nodes=2 needs torchrun or srun on each node"):
        distributed.refuse(4, batch_size=32, unfreeze_every=0, nodes=2)
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "4")
    distributed.refuse(4, batch_size=32, unfreeze_every=0, nodes=2)
    alone = {"trainer": {"devices": 1, "num_nodes": 1}}
    assert distributed.alone(alone)
    assert not distributed.alone({"trainer": alone["trainer"] | {"num_nodes": 2}})


@pytest.mark.parametrize(
    ("wanted", "batch_size", "ranks", "cuda", "synced"),
    [
        ("auto", 62, 2, True, True),
        ("auto", 64, 2, True, False),
        ("auto", 64, 4, True, True),
        ("auto", 62, 2, False, False),
        ("auto", 16, 1, True, False),
        (True, 512, 2, True, True),
        (True, 512, 1, False, False),
        (False, 16, 2, True, False),
    ],
)
def test_batch_norm_sees_all_ranks_where_theirs_is_small(wanted, batch_size, ranks, cuda, synced):
    config = {"sync_batchnorm": wanted, "batch_size": batch_size}
    assert distributed.norms_synced(config, ranks, cuda) is synced


def test_batch_norm_over_all_ranks_needs_gpus():
    with pytest.raises(FerlabError, match="sync_batchnorm=true needs GPUs"):
        distributed.norms_synced({"sync_batchnorm": True, "batch_size": 8}, 2, cuda=False)


@pytest.mark.slow
@pytest.mark.parametrize("starter", ["torchrun", "srun", "srun_on_two_nodes"])
def test_ranks_that_something_else_started_train_one_run(typed, starter):
    words = ("data.n_train=320", "trainer.max_epochs=2", "wandb=off")
    if not (typed.folder / "outputs" / "own").exists():
        finished(typed(*words, "name=own", *TWO))
    for again in ((), ("ckpt=last", "trainer.max_epochs=3")):
        if starter == "torchrun":
            finished(typed(*words, f"name={starter}", *TWO, *again, start=("torch.distributed.run", *TORCHRUN)))
        else:
            port = {"MASTER_PORT": str(find_free_network_port())}
            nodes = starter == "srun_on_two_nodes"
            both = [
                typed(*words, f"name={starter}", *(NODES if nodes else TWO), *again, env=port | slurm(rank, nodes))
                for rank in range(2)
            ]
            assert "val accuracy" in finished(both[0])
            assert "val accuracy" not in finished(both[1])
        if not again:
            one, two = state(typed.folder, "own"), state(typed.folder, starter)
            assert all(torch.equal(one[key], two[key]) for key in one)
    assert columns(typed.folder, starter)["epoch"][-1] == 2
    assert not (typed.folder / "outputs" / f"{starter}-2").exists()


TORCHRUN = ("--standalone", "--nproc-per-node=2", "-m")
