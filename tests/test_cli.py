"""What the commands share: what a config may build, and how an error reaches who typed it."""

import contextlib
import logging
import os
import pickle
import re
import sys
from pathlib import Path

import pytest
import torch
from hydra.core.singleton import Singleton
from omegaconf import OmegaConf

from ferlab import cli, config, train
from ferlab.errors import FerlabError
from ferlab.nets.five_layer import FiveLayer

NET = {"_target_": "ferlab.nets.five_layer.FiveLayer", "channels": 1, "classes": 7, "dropout": 0.3}


@pytest.fixture
def typed(monkeypatch, tmp_path):
    """Run a task as the command `train` with words typed after it; Hydra's logging and state end with the test."""
    root = logging.getLogger()
    handlers, level, state = root.handlers[:], root.level, Singleton.get_state()
    monkeypatch.chdir(tmp_path)

    def run(task, *words, config_name="train", **kwargs):
        monkeypatch.setattr(sys, "argv", ["ferlab.train", *words])
        return cli.command(config_name, **kwargs)(task)()

    yield run
    root.handlers[:], root.level = handlers, level
    Singleton.set_state(state)


def test_builds_what_conf_names():
    assert isinstance(config.build(NET), FiveLayer)
    assert isinstance(config.build(OmegaConf.create(NET)), FiveLayer)
    assert config.build(NET, width=0.5)[0].out_channels == 16


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "torch.load",
        "torch.hub.load",
        "builtins.getattr",
        "builtins.open",
        "builtins.eval",
        "subprocess.run",
        "ferlab.runs.directory.load",
        "ferlab.runs.checkpoints.load",
        "numpy.load",
        # An allowed beginning that leads elsewhere:
        "torch.nn.modules.module.torch.load",
        "torch.optim.sgd.torch.load",
        "torch.nn.functional.importlib.import_module",
        "ferlab.nets.transfer.timm.create_model",
        "albumentations.core.composition.random.Random",
        "albumentations.load",  # reads a file and builds what it says
        "albumentations.from_dict",
        # Nothing:
        "ferlab.nets.absent.Net",
        "torch.nn.Absent",
        "torch.nn.",
        "",
        None,
        7,
        ["os.system"],
    ],
)
@pytest.mark.parametrize("nested", ["itself", "argument", "list", "args", "partial"])
def test_other_targets_are_refused_before_anything_is_built(target, nested, tmp_path):
    torch.save({}, tmp_path / "x.pt")
    bad = {"_target_": target, "_args_": [str(tmp_path / "x.pt")]}
    node = {
        "itself": bad,
        "argument": NET | {"dropout": bad},
        "list": NET | {"dropout": [[bad]]},
        "args": {"_target_": "torch.nn.Sequential", "_args_": [bad]},
        "partial": bad | {"_partial_": True},
    }[nested]
    with pytest.raises(FerlabError, match="a config may build only"):
        config.build(node)


def test_a_hidden_target_is_refused():
    node = OmegaConf.create({"what": "torch.load", "net": {"_target_": "${what}", "f": "x.pt"}})
    with pytest.raises(FerlabError, match=r"_target_ is 'torch\.load'"):
        config.build(node.net)


def test_an_argument_that_the_net_does_not_take_is_named():
    with pytest.raises(FerlabError, match="unexpected keyword argument 'widht'") as caught:
        config.build(NET | {"widht": 2})
    assert "\n" not in str(caught.value)


def test_plain_resolves_and_holds_no_config():
    node = OmegaConf.create({"a": 1, "b": "x-${a}", "c": [{"d": "${b}"}]})
    found = config.plain(node)
    assert found == {"a": 1, "b": "x-1", "c": [{"d": "x-1"}]}
    assert type(found) is dict
    assert type(found["c"][0]) is dict
    assert config.plain({"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('${required:"a.b=FILE, or a.b=hub"}', "type a.b=FILE, or a.b=hub; there is no default"),
        ("???", "type a.b=VALUE; there is no default"),
        ("${absent}", "Interpolation key 'absent' not found"),
    ],
)
def test_a_value_that_is_missing_is_one_line(value, said):
    with pytest.raises(FerlabError, match=f"^{re.escape(said)}$"):
        config.plain(OmegaConf.merge({"a": {}}, {"a": {"b": value}}))


def test_a_default_does_not_stand_in_for_a_required_value():
    node = OmegaConf.merge({"a": 1}, {"a": '${required:"a=2"}'})
    with pytest.raises(FerlabError, match="type a=2"):
        config.plain(node)
    assert config.plain(OmegaConf.merge(node, {"a": 2})) == {"a": 2}


def test_a_wrong_value_is_one_line_and_status_1(typed, capsys):
    def task(cfg):
        raise FerlabError("seed is -1; choose 0 or more")

    with pytest.raises(SystemExit) as stopped:
        typed(task)
    out, err = capsys.readouterr()
    # A string as SystemExit's code is what Python prints to stderr, with status 1.
    lines = [*out.splitlines(), *err.splitlines(), *str(stopped.value.code).splitlines()]
    assert lines == ["ferlab: seed is -1; choose 0 or more"]


def test_a_fault_of_ferlab_keeps_its_traceback(typed, capsys):
    def task(cfg):
        raise ZeroDivisionError("oops")

    with pytest.raises(SystemExit) as stopped:
        typed(task)
    assert stopped.value.code == 1
    out, err = capsys.readouterr()
    assert "Traceback" in out + err
    assert "ZeroDivisionError: oops" in out + err


def test_in_a_sweep_the_jobs_after_a_failed_one_run_and_the_status_is_not_0(typed, capsys):
    done = []

    def task(cfg):
        done.append(cfg.seed)
        if cfg.seed == 1:
            raise FerlabError("seed 1 is unlucky")
        if cfg.seed == 2:
            raise ZeroDivisionError("oops")
        return 0.5

    with pytest.raises(SystemExit) as stopped:
        typed(task, "-m", "seed=0,1,2,3")
    assert done == [0, 1, 2, 3]
    assert stopped.value.code == 1
    out, err = capsys.readouterr()
    assert "seed 1 is unlucky" in out  # each failure stands in the log, not the first alone
    assert "ZeroDivisionError: oops" in out
    assert "ferlab: seed 1 is unlucky" in err


def test_a_task_travels_to_other_processes_by_its_name():
    """By value it could not: some of what train refers to, as torch.ops, cannot be pickled."""
    task = cli._Task(train.main.__wrapped__)
    assert (task.__module__, task.__name__) == ("ferlab.train", "main")
    content = pickle.dumps(task)
    assert len(content) < 200
    assert pickle.loads(content).function is task.function


def test_what_was_typed_can_be_typed_again(typed, tmp_path):
    found = []
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    (tmp_path / "own" / "experiment" / "mine.yaml").write_text("# @package _global_\nlr: 0.5\n")
    words = ["--config-dir", str(tmp_path / "own"), "experiment=mine", "+model.net.width=0.25"]
    typed(lambda cfg: found.append(cli.job()), *words)
    [job] = found
    assert job == {"words": words, "experiment": "mine"}
    found.clear()
    typed(lambda cfg: found.append((cfg.lr, cfg.model.net.width)), *job["words"])
    assert found == [(0.5, 0.25)]


def test_a_job_knows_its_sweep_and_its_words_are_its_own(typed):
    found = []
    typed(lambda cfg: found.append(cli.job()), "-m", "seed=1,2", "lr=0.1", "hydra.sweep.dir=out/night")
    assert [job["words"] for job in found] == [["seed=1", "lr=0.1"], ["seed=2", "lr=0.1"]]
    assert {(job["sweep"], job["launcher"], job["experiment"]) for job in found} == {("night", "basic", None)}


def test_without_a_command_there_is_no_job():
    assert cli.job() == {}


def test_the_gpus_go_round(typed):
    seen = []
    typed(
        lambda cfg: seen.append(os.environ["CUDA_VISIBLE_DEVICES"]),
        "-m",
        "seed=range(5)",
        "+hydra.job.env_set.CUDA_VISIBLE_DEVICES=${gpu:2}",
    )
    assert seen == ["0", "1", "0", "1", "0"]


@pytest.mark.parametrize("error", [None, FerlabError("no"), ZeroDivisionError(), KeyboardInterrupt()])
def test_the_end_of_a_command_is_called_however_it_ends(typed, error):
    ends = []

    def task(cfg):
        if error is not None:
            raise error

    with contextlib.suppress(BaseException):
        typed(task, at_end=lambda: ends.append(True))
    assert ends == [True]


def test_a_sweep_line_makes_a_job_of_each_combination(typed):
    done = []
    typed(
        lambda cfg: done.append((cfg.model.name, cfg.class_weights, cfg.name)),
        "-m",
        "model=baseline,five_layer",
        "class_weights=none,balanced",
    )
    assert done == [
        (model, weights, f"{model}-drawn-{weights}-s0")
        for model in ("baseline", "five_layer")
        for weights in ("none", "balanced")
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("model=five_leyer",), "\n\t".join(sorted(path.stem for path in Path(config.CONF, "model").glob("*.yaml")))),
        (("data=fer2014",), "fer2013+aux"),
        (("batchsize=3",), "Could not override 'batchsize'"),
        (("trainer.epochs=3",), "Could not override 'trainer.epochs'"),
        (("+data=fer2013",), "Multiple values for data"),
    ],
)
def test_what_conf_does_not_have_is_named_without_a_traceback(typed, capsys, words, expected):
    with pytest.raises(SystemExit) as stopped:
        typed(lambda cfg: pytest.fail("the task ran"), *words)
    assert stopped.value.code == 1
    out, err = capsys.readouterr()
    assert expected in out + err
    assert "Traceback" not in out + err
