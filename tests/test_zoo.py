"""zoo/ as a wheel: what it holds, and that the predictor finds its models."""

import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from ferlab import Predictor
from ferlab.inference import models
from tests.inference.test_onnx_model import graph, write
from tests.test_conf import ROOT, typed

LARGEST = 20_000_000  # bytes of a file


def test_no_file_of_the_zoo_is_too_large_and_none_is_code():
    files = [file for file in (ROOT / "zoo" / models.ZOO).rglob("*") if file.is_file() and file.suffix != ".pyc"]
    assert {file.name for file in files if file.stat().st_size >= LARGEST} == set()
    assert {file.name for file in files if file.suffix == ".py"} == {"__init__.py"}


@pytest.mark.slow
def test_a_model_in_the_zoo_s_wheel_is_found_by_name(tmp_path, monkeypatch):
    copy, site, package = (tmp_path / name for name in ("copy", "site", "package"))
    shutil.copytree(ROOT / "zoo", copy, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    write(copy / models.ZOO, graph())
    words = ["-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir"]
    done = typed(*words, str(tmp_path), str(copy), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    assert "Requires-Dist" not in next(site.glob("*.dist-info/METADATA")).read_text()
    package.mkdir()
    monkeypatch.setattr(models, "_FOLDER", package)  # in no checkout
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, models.ZOO, raising=False)
    predictor = Predictor("small", detect=False)
    assert predictor.model.path == site / models.ZOO / "small.onnx"
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    rgba = np.dstack([picture, np.full((40, 40), 255, np.uint8)])[None]
    session = onnxruntime.InferenceSession(Path(predictor.model.path), providers=["CPUExecutionProvider"])
    [face] = predictor(picture)
    np.testing.assert_array_equal(face.probabilities, session.run(None, {"rgba": rgba})[0][0])
