"""A model that ferlab did not train or export: what docs/field.md says, done as it stands there."""

import json
import logging
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ferlab.errors import FerlabError
from ferlab.evaluation import exported
from ferlab.evaluation.door import Door
from ferlab.pages import report_page
from ferlab.reporting import publishable, published, recipes, reports
from tests.conftest import made_faces
from tests.data.sources import raw

PROGRAM = re.search(r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs/field.md").read_text(), re.S)[1]


@pytest.fixture(scope="module")
def entered(tmp_path_factory):
    """A folder with a csv of faces, and the two files that the program writes of a net; the net and the faces."""
    folder, faces = tmp_path_factory.mktemp("entered"), made_faces(28, 42, 14)
    rows = raw.rows_of(faces.pixels.reshape(-1, 2304), faces.labels, faces.split)
    raw.write(folder / "data/fer2013/fer2013.csv", rows)
    torch.manual_seed(0)
    net = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(36, 7))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(PROGRAM, {"net": net})
    return folder, net, faces


@pytest.fixture
def sidecar(entered, tmp_path, monkeypatch):
    """The JSON; the current folder holds the model with a copy of it."""
    folder, *_ = entered
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FERLAB_DATA", str(folder / "data"))
    monkeypatch.setattr(report_page, "write", lambda folder, *_: folder / "index.html")
    Path("my_net.onnx").symlink_to(folder / "my_net.onnx")
    Path("my_net.json").write_text(text := (folder / "my_net.json").read_text())
    return json.loads(text)


def measured(split="val"):
    folder = exported.evaluate_exported("my_net.onnx", Door(split, ledger_path="ledger.jsonl"))
    return folder, json.loads((folder / "report.json").read_text())


def test_the_files_of_the_docs_are_measured_as_torch_answers(entered, sidecar, caplog):
    _, net, faces = entered
    caplog.set_level(logging.INFO)
    val = faces.of_split("val")
    with torch.inference_mode():
        expected = net(torch.from_numpy(val.pixels).unsqueeze(1) / 255).softmax(1).numpy()
    folder, report = measured()
    np.testing.assert_allclose(np.load(folder / "probabilities.npy"), expected, atol=1e-3)
    assert (report["n"], report["correct"]) == (42, (expected.argmax(1) == val.labels).sum())
    assert (report["name"], report["model"], report["commit"]) == ("my_net", "my_net, foreign ONNX", None)
    assert report["parameters"] == 36 * 7 + 7
    assert "my_net.onnx states no accuracy; nothing to compare" in caplog.text


def test_a_foreign_model_is_published_and_is_none_of_ours(sidecar):
    measured("val")
    _, test = measured("test")
    publishable.publish("outputs/exported/my_net", Path("results"), dirty=True)
    (entry,) = published.read(Path("results")).entries
    assert (entry.row.name, entry.row.kind, entry.row.weights_file) == ("my_net", "export", "my_net.onnx")
    found = reports.read("results")
    assert {r["split"]: r["correct"] for r in found}["test"] == test["correct"]
    assert [row.kind for row in recipes.rows_of(found)] == [recipes.FOREIGN]
    assert recipes.listed(found, {"seeds": 1, "views": "views12", "without": []}) == []


@pytest.mark.parametrize("key", ["format", "sha256", "expressions", "margin", "data", "runs"])
def test_what_the_json_lacks_is_named_with_the_page_that_shows_it(sidecar, key):
    del sidecar[key]
    Path("my_net.json").write_text(json.dumps(sidecar))
    with pytest.raises(FerlabError, match=rf"my_net\.json .*lacks {key}\b.*docs/field\.md"):
        measured()


def test_without_a_json_the_page_is_named(sidecar):
    Path("my_net.json").unlink()
    with pytest.raises(FerlabError, match=r"my_net\.json is missing; .*docs/field\.md"):
        measured()


def test_a_foreign_model_that_states_another_accuracy_is_refused(sidecar):
    _, report = measured()
    stated = {"val": {"accuracy": report["accuracy"] - 0.1}, "val_faces_sha256": report["faces_sha256"]}
    Path("my_net.json").write_text(json.dumps(sidecar | stated))
    with pytest.raises(FerlabError, match="of the val faces, and states"):
        measured()
