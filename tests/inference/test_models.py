"""The models that the package holds are found by name."""

import json
from pathlib import Path

import pytest

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.inference import models


def test_models_of_the_package_are_found_by_name(tmp_path, monkeypatch):
    assert models.find("some/where.onnx") == Path("some/where.onnx")
    monkeypatch.setattr(models, "_FOLDER", tmp_path)
    with pytest.raises(FerlabError, match=r"no model 'five_layer'; there are: none.*make ship RUN="):
        models.find("five_layer")
    (tmp_path / "five_layer.onnx").touch()
    with pytest.raises(FerlabError, match="there are: none"):
        models.find("five_layer")
    (tmp_path / "five_layer.json").write_text(json.dumps({"expressions": EXPRESSIONS}))
    (tmp_path / "detector.onnx").touch()
    (tmp_path / "detector.json").write_text("{}")
    assert models.find("five_layer") == tmp_path / "five_layer.onnx"
    with pytest.raises(FerlabError, match="there are: five_layer"):
        models.find("senet50")
