"""Which parameters learn, when and how fast: against the policy's words, and in training itself."""

import math

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from ferlab.errors import FerlabError
from ferlab.nets.five_layer import FiveLayer
from ferlab.nets.transfer import Transfer
from ferlab.predictors import of_run
from ferlab.predictors.of_run import predictor_of
from ferlab.training import fit as training
from ferlab.training import freeze
from tests.conftest import made_faces
from tests.training.conftest import optimisation


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return Transfer("resnet18", channels=3, classes=7, hidden=[8], dropout=0.0)


def plan(net, policy="none", train_norms=False, unfreeze_every=0, layer_decay=1.0):
    return freeze.plan(net, policy, train_norms, unfreeze_every, layer_decay)


def names(net, *kinds) -> set[str]:
    return {f"{n}.{p}" for n, m in net.named_modules() if isinstance(m, kinds) for p, _ in m.named_parameters()}


def learns(net, learning, epoch=0) -> set[str]:
    return {n for n, _ in net.named_parameters()} - learning.frozen_in(epoch)


def test_none_freezes_nothing(net):
    assert plan(net) == freeze.Learning()
    total = sum(p.numel() for p in net.parameters())
    assert freeze.describe(net, plan(net)) == f"{total:,} of {total:,} parameters learn"


def test_backbone_leaves_the_head(net):
    head = {f"head.{n}" for n, _ in net.head.named_parameters()}
    assert learns(net, plan(net, "backbone")) == head
    norms = {f"backbone.{n}" for n in names(net.backbone, nn.BatchNorm2d)}
    assert len(norms) == 2 * 20
    assert learns(net, plan(net, "backbone", train_norms=True)) == head | norms


def test_a_depth_leaves_the_last_layers_of_the_backbone(net):
    """Counted by hand, in the order of definition."""
    learning = plan(net, 3)
    convolutions = [n for n in learns(net, learning) if "conv" in n or "downsample.0" in n]
    assert set(convolutions) == {f"backbone.layer4.{n}.weight" for n in ("0.downsample.0", "1.conv1", "1.conv2")}
    assert learns(net, plan(net, 0)) == learns(net, plan(net, "backbone"))
    every = sum(isinstance(m, nn.Conv2d) for m in net.backbone.modules())
    assert learns(net, plan(net, every)) == {n for n, _ in net.named_parameters()}


def test_patterns_freeze_what_they_match(net):
    learning = plan(net, ["backbone.conv1*", "backbone.layer1.*"])
    frozen = {n for n, _ in net.named_parameters() if n.startswith(("backbone.conv1", "backbone.layer1."))}
    assert learning.frozen == frozen
    assert plan(net, "backbone.layer1.*").frozen == {n for n in frozen if "layer1" in n}


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("backbones", "choose none, backbone, a number"),
        (True, "choose none, backbone, a number"),
        (2.5, "choose none, backbone, a number"),
        (99, "0 to 20"),
        (-1, "0 to 20"),
        (["backbone.layer9.*"], r"'backbone.layer9.\*' matches no parameter; they begin with backbone.conv1"),
        (["*"], "leaves nothing that learns"),
    ],
)
def test_a_policy_that_says_nothing_is_refused(net, policy, message):
    with pytest.raises(FerlabError, match=message):
        plan(net, policy)


@pytest.mark.parametrize("changes", [{"unfreeze_every": -1}, {"layer_decay": 0.0}, {"layer_decay": 1.5}])
def test_numbers_out_of_range_are_refused(net, changes):
    with pytest.raises(FerlabError, match=r"unfreeze_every of 0 or more and layer_decay in \(0, 1\]"):
        plan(net, "backbone", **changes)


def test_nets_without_a_backbone_say_so():
    small = FiveLayer(channels=1, classes=7, dropout=0.3, width=0.25)
    with pytest.raises(FerlabError, match="nets with a backbone"):
        plan(small, "backbone")
    with pytest.raises(FerlabError, match="layer_decay needs a net with a timm backbone"):
        plan(small, layer_decay=0.5)
    assert plan(small, ["0.*"]).frozen == {"0.weight", "0.bias"}
    with pytest.raises(FerlabError, match="needs frozen layers"):
        plan(small, unfreeze_every=2)


def test_blocks_thaw_from_the_output_to_the_input(net):
    learning = plan(net, "backbone", unfreeze_every=2)
    assert learns(net, learning, 1) == learns(net, plan(net, "backbone"))
    began, before = [], learns(net, learning, 0)
    for epoch in range(2, 20, 2):
        now = learns(net, learning, epoch)
        began.append({n.removeprefix("backbone.")[:8] for n in now - before})
        assert learns(net, learning, epoch + 1) == now
        before = now
    assert began[:3] == [{"layer4.1"}, {"layer4.0"}, {"layer3.1"}]
    assert began[-1] == {"conv1.we", "bn1.weig", "bn1.bias"}
    assert learning.frozen_in(18) == frozenset()


def test_rates_fall_by_the_block(net):
    optimizer = optimisation(lr=0.4).optimizer_of(net, plan(net, layer_decay=0.5))
    rate = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    found = {n: rate[id(p)] for n, p in net.named_parameters()}
    for name, blocks in (("head.1.weight", 0), ("backbone.layer4.1.conv2.weight", 1), ("backbone.layer4.0.bn1.bias", 2),
                         ("backbone.layer1.0.conv1.weight", 8), ("backbone.conv1.weight", 9)):  # fmt: skip
        assert math.isclose(found[name], 0.4 * 0.5**blocks), name
    assert optimizer.param_groups[0]["lr"] == 0.4
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert all((decays[id(p)] > 0) == (p.ndim > 1) for p in net.parameters())


SMALL = ["+model.net.stochastic_depth=0.0", "model.net.backbone=resnet18", "model.net.hidden=[]", "model.input.size=32"]


@pytest.fixture
def trained(config, monkeypatch):
    """Weights before and after training a small transfer net as the overrides say, and the run."""
    faces = made_faces(64, 16, 16)
    monkeypatch.setattr(training, "open_config", lambda *a, **k: faces)

    def train(*overrides: str):
        asked = config("~model.net.width", "model=resnet50", *SMALL, "trainer.max_epochs=3", "ema_decay=0", *overrides)
        pl.seed_everything(asked["seed"], verbose=False)
        before = {k: v.clone() for k, v in of_run.nets_of(asked)[0].state_dict().items()}
        run = training.train(asked)
        after = predictor_of(run).net.state_dict()
        return {k for k in before if not torch.equal(before[k], after[k])}, run

    return train


def test_training_moves_what_learns_and_nothing_else(trained):
    moved, run = trained("freeze=3", "train_norms=false")
    assert {k for k in moved if k.startswith("backbone.")} <= {k for k in moved if k.startswith("backbone.layer4")}
    assert {"backbone.layer4.1.conv1.weight", "backbone.layer4.1.bn1.running_mean", "head.1.weight"} <= moved
    assert "backbone.layer4.0.bn1.running_mean" not in moved  # statistics of frozen norms stay too
    assert "backbone.layer4.0.downsample.0, backbone.layer4.1.conv1, backbone.layer4.1.conv2" in run.info["learns"]


def test_norms_learn_in_frozen_layers(trained):
    moved, _ = trained("freeze=backbone", "train_norms=true")
    assert {"backbone.bn1.weight", "backbone.bn1.running_mean", "head.1.weight"} <= moved
    assert not {k for k in moved if "conv" in k or "downsample.0" in k}


def test_gradual_unfreezing_reaches_the_layers_in_their_epoch(trained):
    moved, run = trained("freeze=backbone", "train_norms=false", "unfreeze_every=2")
    # Of epochs 0, 1, 2 only the last trains the block nearest to the output; the best epoch may be an earlier one.
    assert not {k for k in moved if k.startswith("backbone.") and not k.startswith("backbone.layer4.1")}
    if run.info["best_epoch"] == 2:
        assert "backbone.layer4.1.conv2.weight" in moved
