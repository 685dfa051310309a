"""Weights for torch as an export writes them: whole or in shards, read by Hugging Face's own loader, and measured."""

import json

import huggingface_hub
import numpy as np
import onnx
import pytest
import safetensors.torch
import torch

from ferlab.deploy import exporting, graph, weights_files
from ferlab.errors import FerlabError
from ferlab.inference.onnx_model import OnnxModel, rgba_of
from ferlab.predictors import zoo
from ferlab.predictors.of_run import predictor_of
from ferlab.predictors.predictor import predict
from tests.deploy.conftest import small, val_of


@pytest.fixture
def written(run, exported, tmp_path, monkeypatch):
    """The fp16 export of the run with its weights for torch; the graph is that of the fp32 file."""
    monkeypatch.setattr(graph, "trace", lambda *_: onnx.load(exported[0]))
    (path,) = exporting.export(small(run, "precision=fp16", "name=small", "safetensors=true", f"out={tmp_path}"))
    return path


def test_an_export_writes_weights_that_torch_loads_and_states_their_accuracy(run, written):
    val, stated = val_of(run), json.loads(written.with_suffix(".json").read_text())["safetensors"]
    assert stated["bytes"] == written.with_suffix(".safetensors").stat().st_size
    assert (list(stated["files"]), stated["precision"]) == (["small.safetensors"], "fp16")
    net = zoo.load(written)
    with torch.inference_mode():
        found = net(torch.from_numpy(np.array(val.pixels)).unsqueeze(1)).softmax(1).numpy()
    np.testing.assert_allclose(found, predict(predictor_of(run), val.pixels), atol=2e-2)
    np.testing.assert_allclose(found, OnnxModel.open(written)(rgba_of(val.pixels)), atol=2e-2)
    right = found.argmax(1) == val.labels
    assert (stated["val"]["correct"], stated["val"]["n"]) == (right.sum(), len(val))
    assert "safetensors" not in {p.key for p in onnx.load(written).metadata_props}


def test_layers_are_halved_and_the_rest_stays():
    state = {"w": torch.randn(3, 4), "b": torch.randn(3), "n": torch.tensor(5), "huge": torch.full((2, 2), 1e6)}
    found = weights_files.halved(state)
    assert {key: t.dtype for key, t in found.items()} == {
        "w": torch.float16,
        "b": torch.float32,
        "n": torch.int64,
        "huge": torch.float32,
    }
    torch.testing.assert_close(found["w"].float(), state["w"], rtol=2**-11, atol=1e-7)


def test_what_is_too_large_for_a_file_is_in_shards_as_hugging_face_s(run, tmp_path):
    model, val = predictor_of(run), val_of(run)
    whole = weights_files.write(model, val, tmp_path / "net", 20)
    assert list(whole["files"]) == ["net.safetensors"]
    largest = 0.95 * whole["bytes"] / 1e6
    stated = weights_files.write(model, val, tmp_path / "net", largest)
    names = [f"net-0000{i}-of-00002.safetensors" for i in (1, 2)]
    assert sorted(stated["files"]) == names
    assert {file.name for file in tmp_path.iterdir()} == {*names, "net.safetensors.index.json"}
    assert max((tmp_path / name).stat().st_size for name in names) <= 1e6 * largest
    assert stated["val"] == whole["val"]
    net = predictor_of(run).net
    torch.nn.init.zeros_(net[0].weight)
    found = huggingface_hub.load_torch_model(net, tmp_path, strict=True, filename_pattern="net{suffix}.safetensors")
    assert (found.missing_keys, found.unexpected_keys) == ([], [])
    for key, tensor in net.state_dict().items():
        torch.testing.assert_close(tensor, model.net.state_dict()[key], rtol=0, atol=0)
    weights_files.write(model, val, tmp_path / "net", 20)
    assert [file.name for file in tmp_path.iterdir()] == ["net.safetensors"]
    assert safetensors.torch.load_file(tmp_path / "net.safetensors").keys() == net.state_dict().keys()


def test_an_ensemble_has_no_weights_of_one_net(run, tmp_path, monkeypatch):
    monkeypatch.setattr(graph, "trace", None)
    folder = tmp_path / "second"
    folder.symlink_to(run.path)
    with pytest.raises(FerlabError, match="safetensors=true is of one run"):
        exporting.export(small(run, f"runs=[{run.path},{folder}]", "safetensors=true", f"outputs={tmp_path}"))
