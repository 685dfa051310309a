"""ferlab.zoo: nets of exported models in torch, from made files, and what is refused."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors.torch
import torch

import ferlab
from ferlab.config import build
from ferlab.data.drawn import draw
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.inference import models
from ferlab.inference.onnx_model import rgba_of
from ferlab.predictors import zoo

NET = {"_target_": "ferlab.nets.five_layer.FiveLayer", "channels": 1, "classes": 7, "dropout": 0.3, "width": 0.25}
INPUT = {"size": 48, "channels": 1, "mean": [0.4], "std": [0.3]}


@pytest.fixture
def net():
    torch.manual_seed(0)
    return build(NET).eval()


@pytest.fixture
def package(net, tmp_path, monkeypatch):
    """A package with the model `small`, in two files of half precision, and `bare`, which has none for torch."""
    monkeypatch.setattr(models, "_FOLDER", tmp_path)
    state = {key: t.half() if t.ndim > 1 else t for key, t in net.state_dict().items()}
    names, files = list(state), {}
    for number, part in enumerate((names[:3], names[3:])):
        file = tmp_path / f"small-{number}.safetensors"
        safetensors.torch.save_file({key: state[key] for key in part}, file)
        files[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    stated = {"expressions": EXPRESSIONS, "sha256": "a", "runs": [{"config": {"model": {"net": NET, "input": INPUT}}}]}
    for name, more in (("small", {"safetensors": {"files": files}}), ("bare", {})):
        (tmp_path / f"{name}.onnx").touch()
        (tmp_path / f"{name}.json").write_text(json.dumps(stated | more))
    return tmp_path


def test_a_model_s_net_gives_logits_of_faces_of_any_kind(net, package):
    loaded = ferlab.zoo.load("small")
    assert loaded.expressions == EXPRESSIONS
    assert not loaded.training
    assert {tensor.dtype for tensor in loaded.parameters()} == {torch.float32}
    halved = {key: t.half().float() if t.ndim > 1 else t for key, t in net.state_dict().items()}
    net.load_state_dict(halved)
    faces = torch.randint(0, 256, (3, 1, 48, 48), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(faces), net((faces / 255 - 0.4) / 0.3), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(loaded(faces.float()), loaded(faces))
        assert loaded(torch.zeros(2, 1, 60, 30)).shape == (2, 7)
    model, state = zoo.weights_of("small")
    assert model == {"net": NET, "input": INPUT}
    assert state.keys() == halved.keys()


def test_weights_may_lie_in_the_zoo(net, package, tmp_path_factory, monkeypatch):
    site = tmp_path_factory.mktemp("site") / models.ZOO
    site.mkdir()
    (site / "__init__.py").touch()
    (package / "small-1.safetensors").rename(site / "small-1.safetensors")
    with pytest.raises(FerlabError, match=r"small-1.safetensors cannot be read .*pip install ./zoo"):
        zoo.load("small")
    monkeypatch.syspath_prepend(site.parent)
    torch.testing.assert_close(zoo.load("small").net[0].weight, net[0].weight, rtol=1e-3, atol=1e-4)


def test_names_of_models_are_told_from_files(package):
    models.list_zoo([{"name": "big"}])
    assert [zoo.is_name(word) for word in ("small", "bare", "big", "hub", "none", "small.onnx")] == [
        *(True, True, True, False, False, False)
    ]
    with pytest.raises(FerlabError, match=r"big is one of the zoo's: pip install ./zoo"):
        zoo.load("big")


def test_a_model_without_weights_for_torch_says_which_have_some(package):
    with pytest.raises(FerlabError, match=r"bare has no weights for torch; there are of: small.*safetensors=true"):
        zoo.load("bare")


def changed(package, **changes):
    file = package / "small.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"safetensors": {"files": {}}}, "small.json"),
        ({"safetensors": {"files": {"../x.safetensors": "a"}}}, "is '../x.safetensors'"),
        ({"safetensors": {"files": {"none.safetensors": "a"}}}, "none.safetensors cannot be read"),
        ({"safetensors": {"files": {"small-0.safetensors": "a" * 64}}}, "has sha256 .*, and small.json is of aaaa"),
        ({"expressions": [*EXPRESSIONS[1:], EXPRESSIONS[0]]}, "in the order disgust"),
        ({"runs": []}, "small.json"),
        ({"runs": [{"config": {"model": {"net": NET}}}]}, "small.json"),
        ({"runs": [{"config": {"model": {"net": {"_target_": "os.system"}, "input": INPUT}}}]}, "may build only"),
    ],
)
def test_files_that_are_not_of_one_export_are_refused(package, changes, said):
    changed(package, **changes)
    with pytest.raises(FerlabError, match=said):
        zoo.load("small")


def test_a_file_of_another_net_is_refused(package):
    changed(package, runs=[{"config": {"model": {"net": NET | {"width": 0.5}, "input": INPUT}}}])
    with pytest.raises(FerlabError, match="is of another net"):
        zoo.load("small")


@pytest.mark.parametrize("name", models.names())
def test_the_nets_at_hand_answer_as_their_files(name):
    stated = models.stated(models.find(name))
    if "safetensors" not in stated:
        pytest.skip("has no weights for torch")
    faces = draw(70, 7, 7, seed=0).pixels
    session = onnxruntime.InferenceSession(models.find(name), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"rgba": rgba_of(faces)})
    with torch.inference_mode():
        found = zoo.load(name)(torch.from_numpy(np.array(faces)).unsqueeze(1)).softmax(1).numpy()
    difference = np.abs(found - expected)
    assert difference.mean() < 0.05
    assert difference.max() < 0.02 or stated["precision"] == "int8"


def test_the_package_s_five_layer_net_answers_in_torch_as_its_file(tmp_path, monkeypatch):
    """Its weights are read out of the graph, into which the norms are folded: here they leave all as it is."""
    path = models.find("five_layer")
    stated = models.stated(path)
    if "safetensors" in stated:
        pytest.skip("has weights for torch, which another test compares")
    stored = {tensor.name.removeprefix("predictor.net."): onnx.numpy_helper.to_array(tensor)
              for tensor in onnx.load(path).graph.initializer}  # fmt: skip
    net = build(stated["runs"][0]["config"]["model"]["net"]).eval()
    for name, module in net.named_modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.constant_(module.weight, (1 + module.eps) ** 0.5)
        elif hasattr(module, "weight"):
            module.weight.data = torch.from_numpy(stored[f"{name}.weight.fp16"].astype(np.float32))
            module.bias.data = torch.from_numpy(np.array(stored[f"{name}.bias"]))
    file = tmp_path / "five_layer.safetensors"
    safetensors.torch.save_file(net.state_dict(), file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    (tmp_path / "five_layer.json").write_text(json.dumps(stated | {"safetensors": {"files": {file.name: sha256}}}))
    (tmp_path / "five_layer.onnx").symlink_to(path)
    monkeypatch.setattr(models, "_FOLDER", tmp_path)
    faces = draw(14, 7, 7, seed=0).pixels
    (expected,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(
        None, {"rgba": rgba_of(faces)}
    )
    with torch.inference_mode():
        found = zoo.load("five_layer")(torch.from_numpy(np.array(faces)).unsqueeze(1)).softmax(1).numpy()
    assert expected.max(1).mean() > 0.3
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_importing_ferlab_loads_no_torch():
    code = "import sys, ferlab; assert 'torch' not in sys.modules; ferlab.zoo; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
