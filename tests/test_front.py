"""What a stranger reads first: README, CITATION.cff and the versions agree with the code."""

import json
import tomllib
from pathlib import Path

import pytest
import yaml

import ferlab

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(not (ROOT / "README.md").is_file(), reason="no checkout")


def test_one_version_stands_everywhere():
    packages = json.loads((ROOT / "web" / "package-lock.json").read_text())
    stated = [
        yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"],
        tomllib.loads((ROOT / "zoo" / "pyproject.toml").read_text())["project"]["version"],
        json.loads((ROOT / "web" / "package.json").read_text())["version"],
        packages["version"],
        packages["packages"][""]["version"],
    ]
    assert stated == [ferlab.__version__] * 5
