"""Models are found by name in the package and in the zoo, with what was measured of their files."""

import json
import sys
from pathlib import Path

import pytest

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.inference import models


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An empty folder in place of the package's, in no checkout."""
    folder = tmp_path / "package"
    folder.mkdir()
    monkeypatch.setattr(models, "_FOLDER", folder)
    return folder


def put(folder, name, sha256="a", **stated):
    (folder / f"{name}.onnx").touch()
    (folder / f"{name}.json").write_text(json.dumps({"expressions": EXPRESSIONS, "sha256": sha256, **stated}))
    return folder / f"{name}.onnx"


def test_models_of_the_package_are_found_by_name(package):
    assert models.find("some/where.onnx") == Path("some/where.onnx")
    with pytest.raises(FerlabError, match=r"no model 'five_layer'; there are: none.*make ship RUN="):
        models.find("five_layer")
    (package / "five_layer.onnx").touch()
    with pytest.raises(FerlabError, match="there are: none"):
        models.find("five_layer")
    path = put(package, "five_layer")
    (package / "detector.onnx").touch()
    (package / "detector.json").write_text("{}")
    assert models.find("five_layer") == path
    with pytest.raises(FerlabError, match="there are: five_layer"):
        models.find("senet50")


def test_an_ensemble_is_its_json(package):
    (package / "many.json").write_text(json.dumps({"expressions": EXPRESSIONS, "members": []}))
    assert models.find("many") == package / "many.json"


def test_a_zoo_that_is_installed_is_found_and_one_in_the_checkout_first(package, tmp_path, monkeypatch):
    site, root = tmp_path / "site", tmp_path / "checkout"
    for place in (site, root / "zoo", root / "src/ferlab/inference/models"):
        (place / models.ZOO).mkdir(parents=True)
        (place / models.ZOO / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    own, big = put(package, "small"), put(site / models.ZOO, "big")
    put(site / models.ZOO, "small")
    assert models.found() == {"big": big, "small": own}
    assert [models.is_of_the_zoo(path) for path in (own, big)] == [False, True]
    monkeypatch.setattr(models, "_FOLDER", root / "src/ferlab/inference/models")
    assert (
        models.find("bigger" if put(root / "zoo" / models.ZOO, "bigger") else "") == root / "zoo/ferlab_zoo/bigger.onnx"
    )
    assert models.names() == ["bigger"]


def test_a_name_that_only_the_zoo_has_says_what_to_install(package):
    models.list_zoo([])
    assert models.not_installed() == []
    models.list_zoo([{"name": "big"}])
    put(package, "small")
    with pytest.raises(FerlabError, match=r"there are: small. big is one of the zoo's: pip install ./zoo"):
        models.find("big")
    with pytest.raises(FerlabError, match="Give a file"):
        models.find("bag")
    put(package, "big")
    assert models.not_installed() == []


def test_what_was_measured_of_another_file_of_the_name_is_not_told(package):
    path = put(package, "one")
    assert models.measured(path) == {}
    models.note(path, val={"n": 1})
    models.note(path, speed={"threads": 1})
    assert models.measured(path) == {"sha256": "a", "val": {"n": 1}, "speed": {"threads": 1}}
    put(package, "one", sha256="b")
    assert models.measured(path) == {}
    models.note(path, val={"n": 2})
    assert models.measured(path) == {"sha256": "b", "val": {"n": 2}}
    assert models.names() == ["one"]
