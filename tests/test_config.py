"""What conf/ says, and what a config may build."""

import re

import pytest
import torch
from omegaconf import OmegaConf

from ferlab import config
from ferlab.errors import FerlabError
from ferlab.nets.five_layer import FiveLayer

NET = {"_target_": "ferlab.nets.five_layer.FiveLayer", "channels": 1, "classes": 7, "dropout": 0.3}


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
    ("value", "message"),
    [
        ('${required:"a.b=FILE, or a.b=hub"}', "type a.b=FILE, or a.b=hub; there is no default"),
        ("???", "type a.b=VALUE; there is no default"),
        ("${absent}", "Interpolation key 'absent' not found"),
    ],
)
def test_a_value_that_is_missing_is_one_line(value, message):
    with pytest.raises(FerlabError, match=f"^{re.escape(message)}$"):
        config.plain(OmegaConf.merge({"a": {}}, {"a": {"b": value}}))


def test_a_default_does_not_stand_in_for_a_required_value():
    node = OmegaConf.merge({"a": 1}, {"a": '${required:"a=2"}'})
    with pytest.raises(FerlabError, match="type a=2"):
        config.plain(node)
    assert config.plain(OmegaConf.merge(node, {"a": 2})) == {"a": 2}
