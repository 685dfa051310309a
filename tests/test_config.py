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
    assert config.build(NET | {"width": 0.5})[0].out_channels == 16
    inner = {"_target_": "torch.nn.Dropout", "p": 0.25}
    [dropout, again] = config.build({"_target_": "torch.nn.Sequential", "_args_": [inner, inner]})
    assert (dropout.p, again.p) == (0.25, 0.25)


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
@pytest.mark.parametrize("nested", ["itself", "argument", "list", "args"])
def test_other_targets_are_refused_before_anything_is_built(target, nested, tmp_path):
    torch.save({}, tmp_path / "x.pt")
    bad = {"_target_": target, "_args_": [str(tmp_path / "x.pt")]}
    node = {
        "itself": bad,
        "argument": NET | {"dropout": bad},
        "list": NET | {"dropout": [[bad]]},
        "args": {"_target_": "torch.nn.Sequential", "_args_": [bad]},
    }[nested]
    with pytest.raises(FerlabError, match="a config may build only"):
        config.build(node)


OWN = "from pathlib import Path\nfrom torch import nn\nclass Net(nn.Identity): pass\ndef load(): raise OSError\n"


def test_a_module_that_the_user_allows_may_be_built_from_and_no_other(tmp_path, monkeypatch):
    for name in ("own_nets", "other_nets"):
        (tmp_path / f"{name}.py").write_text(OWN)
    (tmp_path / "broken_nets.py").write_text("import absent_library")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FerlabError, match="FERLAB_ALLOW=MODULE"):
        config.build({"_target_": "own_nets.Net"})
    monkeypatch.setenv("FERLAB_ALLOW", "own_nets, broken_nets")
    assert type(config.build({"_target_": "own_nets.Net"})).__module__ == "own_nets"
    for other in ("other_nets.Net", "own_nets.load", "own_nets.Path", "own_nets.nn.Identity.extra", "own_netsX.Net"):
        with pytest.raises(FerlabError):
            config.build({"_target_": other})
    with pytest.raises(FerlabError, match=r"FERLAB_ALLOW allows, but: .*absent_library"):
        config.build({"_target_": "broken_nets.Net"})


def test_a_hidden_target_is_refused():
    node = OmegaConf.create({"what": "torch.load", "net": {"_target_": "${what}", "f": "x.pt"}})
    with pytest.raises(FerlabError, match=r"_target_ is 'torch\.load'"):
        config.build(node.net)


FLIP = {"_target_": "albumentations.HorizontalFlip", "p": 0.5}


@pytest.mark.parametrize(
    "value",
    [
        "${oc.create:{_target_: torch.load, f: x.pt, weights_only: false}}",
        "${oc.create:{_target_: torch.nn.Identity}}",
        "${oc.env:HOME}",
        "${home:~/x}",
        "${channels}",
        "a ${channels} b",
        r"\${channels}",
        "${",
    ],
)
@pytest.mark.parametrize("nested", ["argument", "list", "target", "args", "inner", "augmentation"])
def test_nothing_of_a_resolved_config_is_resolved_once_more(value, nested, monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("torch.load ran"))
    node = {
        "argument": NET | {"dropout": value},
        "list": NET | {"dropout": [[value]]},
        "target": NET | {"_target_": value},
        "args": {"_target_": "torch.nn.Sequential", "_args_": [value]},
        "inner": NET | {"dropout": {"_target_": "torch.nn.Dropout", "p": value}},
        "augmentation": FLIP | {"p": value},
    }[nested]
    with pytest.raises(FerlabError, match=r"expected a plain value|may build only"):
        config.build(node)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (NET | {"widht": 2}, "unexpected keyword argument 'widht'; did you mean width?"),
        ({"_target_": "ferlab.nets.five_layer.FiveLayer"}, "missing a required argument: 'channels'"),
        (NET | {"dropout": 2}, "dropout probability has to be between 0 and 1, but got 2"),
        (NET | {"dropout": None}, "'<' not supported"),
        (NET | {7: 1}, "must be strings"),
        (NET | {"_partial_": True}, "unexpected keyword argument '_partial_'"),
        (NET | {"_recursive_": False}, "unexpected keyword argument '_recursive_'"),
        # What albumentations only warns of:
        (FLIP | {"probability": 1}, "unexpected keyword argument 'probability'"),
        ({"_target_": "albumentations.Affine", "rotat": [-5, 5]}, "'rotat'; did you mean rotate?"),
        (
            {"_target_": "albumentations.OneOf", "transforms": [FLIP | {"pp": 1}]},
            "albumentations.HorizontalFlip: got an unexpected keyword argument 'pp'; did you mean p?",
        ),
        (FLIP | {"p": 1.5}, "less than or equal to 1"),
        ("five_layer", "expected _target_"),
        ({"channels": 1}, "expected _target_"),
        (None, "expected _target_"),
    ],
)
def test_arguments_that_a_class_does_not_take_are_named(node, message):
    with pytest.raises(FerlabError, match=re.escape(message)) as caught:
        config.build(node)
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
