"""Pretrained weights: the same features as the publisher's net, and nothing loaded without a report."""

from dataclasses import asdict

import pytest
import timm
import torch

from ferlab.errors import FerlabError
from ferlab.nets.preprocess import Preprocess
from ferlab.training.pretrained.found import Normalisation
from ferlab.training.pretrained.weights import open_weights
from tests.training.pretrained.conftest import SMALL, backbone_of, randomised, same_features, saved


def test_a_resnet50_of_imagenet_is_not_taken_for_vggface2s(tmp_path):
    net = timm.create_model("resnet50", pretrained=False)
    torch.save(net.state_dict(), tmp_path / "resnet50.pth")
    found = open_weights(str(tmp_path / "resnet50.pth"), "resnet50", 3)
    assert not found.caffe_strides
    assert found.input == Normalisation([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    assert "normalisation is not known" in found.summary


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_become_float32(dtype, small, tmp_path):
    torch.save(
        {k: v.to(dtype) if v.is_floating_point() else v for k, v in small.state_dict().items()}, tmp_path / "x.pt"
    )
    found = open_weights(str(tmp_path / "x.pt"), SMALL, 3)
    assert {tensor.dtype for tensor in found.state.values()} == {torch.float32}
    torch.testing.assert_close(found.state["conv1.0.weight" if "conv1.0.weight" in found.state else "conv1.weight"],
                               next(iter(small.state_dict().values())).to(dtype).float())  # fmt: skip


def test_other_classes_do_not_matter(tmp_path):
    net = randomised(SMALL, num_classes=11)
    torch.save(net.state_dict(), tmp_path / "x.pth")
    assert same_features(open_weights(str(tmp_path / "x.pth"), SMALL, 3), net)


def test_a_few_missing_tensors_are_named_and_many_refused(small, tmp_path):
    state = dict(small.state_dict())
    names = [name for name in state if "num_batches" not in name and not name.startswith("fc")]
    lost = names[10]
    del state[lost]
    found = open_weights(saved(state, tmp_path), SMALL, 3)
    assert f"left at random: {lost}" in found.summary
    assert f"{len(names) - 1} of {len(names)} backbone tensors" in found.summary
    for name in names[: len(names) // 10]:
        state.pop(name, None)
    with pytest.raises(FerlabError, match=rf"missing: {names[0]}, {names[1]}, {names[2]}, \.\.\."):
        open_weights(saved(state, tmp_path), SMALL, 3)


def test_a_wrong_shape_is_reported(small, tmp_path):
    state = dict(small.state_dict())
    name = next(n for n in state if n.startswith("layer2") and state[n].ndim == 4)
    shape = tuple(state[name].shape)
    state[name] = state[name][:-1]
    with pytest.raises(FerlabError) as error:
        open_weights(saved(state, tmp_path), SMALL, 3)
    assert f"1 of another shape: {name}: expected {shape}, found {(shape[0] - 1, *shape[1:])}" in str(error.value)


@pytest.mark.parametrize(
    ("file_of", "backbone"),
    [
        ("resnet34", "resnet18"),
        ("resnet18", "resnet34"),
        ("resnet101", "resnet50"),
        ("seresnet50", "resnet50"),
        ("test_vit", "test_resnet"),
    ],
)
def test_another_net_is_refused(file_of, backbone, tmp_path):
    """resnet34 has every tensor of resnet18, in its shape, and more."""
    with torch.device("meta"):
        state = timm.create_model(file_of).state_dict()
    state = {name: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape) for name, tensor in state.items()}
    with pytest.raises(FerlabError, match=rf"is not of {backbone}: \d+ of \d+ backbone tensors fit; .*give weights of"):
        open_weights(saved(state, tmp_path), backbone, 3)


def test_prefixes_that_are_not_known_never_load_nothing(small, tmp_path):
    state = {f"strange.{name}": tensor for name, tensor in small.state_dict().items()}
    with pytest.raises(FerlabError, match=r" 0 of \d+ backbone tensors fit; .*unexpected: strange\."):
        open_weights(saved(state, tmp_path), SMALL, 3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_no_numbers_are_refused(value, small, tmp_path):
    state = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    name = next(n for n in state if n.startswith("layer3"))
    state[name].view(-1)[-1] = value
    with pytest.raises(FerlabError, match=f"{name} holds NaN or infinity"):
        open_weights(saved(state, tmp_path), SMALL, 3)


def test_unknown_backbones_are_named_with_those_near(small_file):
    with pytest.raises(FerlabError, match=r"timm knows no resnet5; near it are .*resnet50"):
        open_weights(str(small_file), "resnet5", 3)
    with pytest.raises(FerlabError, match=r"timm cannot make resnet50\.tag: Invalid pretrained tag"):
        open_weights("hub", "resnet50.tag", 3)


def test_vgg_keeps_its_convolutions_only(tmp_path):
    with torch.device("meta"):
        state = timm.create_model("vgg11").state_dict()
    state = {
        name: torch.zeros(1).expand(tensor.shape).clone() if tensor.numel() < 1e7 else torch.zeros(1, 1)
        for name, tensor in state.items()
    }
    found = open_weights(saved(state, tmp_path), "vgg11", 3)
    assert set(found.state) == {name for name in state if name.startswith("features.")}
    assert "left out: 6 of the classifier" in found.summary


def test_training_draws_the_same_with_weights(small_file):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    open_weights(str(small_file), SMALL, 3)
    assert torch.equal(torch.rand(2), expected)


# Channels


def test_one_channel_computes_what_three_would(tmp_path):
    net = randomised("tf_efficientnet_lite0")
    torch.save(net.state_dict(), tmp_path / "x.pth")
    face = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8)
    features = []
    for channels in (3, 1):
        found = open_weights(str(tmp_path / "x.pth"), "tf_efficientnet_lite0", channels)
        assert len(found.input.mean) == channels
        x = Preprocess(64, channels, **asdict(found.input))(face)
        with torch.inference_mode():
            features.append(backbone_of(found, "tf_efficientnet_lite0", channels)(x))
    torch.testing.assert_close(features[0], features[1], rtol=1e-4, atol=1e-4)
    assert "summed to 1" in found.summary


def test_one_channel_is_refused_where_the_planes_differ(tmp_path):
    net = timm.create_model("resnet18")
    with pytest.raises(FerlabError, match=r"type model\.net\.channels=3 model\.input\.channels=3"):
        open_weights(saved(net.state_dict(), tmp_path), "resnet18", 1)
