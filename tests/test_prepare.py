"""python -m ferlab.prepare, as typed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from ferlab.data import sources
from ferlab.data.preparing import prepare
from ferlab.data.store import LEAKS
from ferlab.data.uses import Use
from ferlab.expressions import EXPRESSIONS
from ferlab.prepare import show

ROOT = Path(__file__).resolve().parents[1]
DATA = sorted(path.stem for path in (ROOT / "conf" / "data").glob("[!_]*.yaml"))


def typed(*words, root, cwd):
    return subprocess.run(
        [sys.executable, "-m", "ferlab.prepare", *words],
        env={**os.environ, "FERLAB_DATA": str(root), "COLUMNS": "120"},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def root(tmp_path):
    """FER2013 of 21 faces, row 1 (val) being row 0 (train) with another label; 8 auxiliary faces, two of them known."""
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (21, 48, 48), np.uint8)
    faces[1], faces[20] = faces[0], 9
    usages = ("Training", "PublicTest", "PrivateTest")
    rows = [f"{i % 7},{' '.join(map(str, f.ravel().tolist()))},{usages[i % 3]}" for i, f in enumerate(faces)]
    (tmp_path / "data" / "fer2013").mkdir(parents=True)
    (tmp_path / "data" / "fer2013" / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *rows, ""]))
    for name in ("happy", "sad"):
        (tmp_path / "data" / "aux" / name).mkdir(parents=True)
        for i in range(4):
            # One of test as it is, one of val mirrored.
            leaks = {("sad", 0): faces[2], ("sad", 1): np.ascontiguousarray(faces[4, :, ::-1])}
            face = leaks.get((name, i), rng.integers(0, 256, (48, 48), np.uint8))
            Image.fromarray(face).save(tmp_path / "data" / "aux" / name / f"{i}.png")
    (tmp_path / "data" / "aux" / "[bold]notes.txt").write_text("no face")
    return tmp_path / "data"


def test_the_command_as_typed(root, tmp_path):
    done = typed("data=fer2013+aux", "near=true", root=root, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    out = done.stdout
    for words in (
        "fer2013: 21 faces",
        "aux-train: 8 faces",
        "1 groups, 1 redundant, 1 groups across splits; 1 of val in train",
        "contradictory labels: 1 groups; constant images: 1",
        "published f8428a1edbd21e88f42c73edd2a14f95",
        "2 faces also stand in val or test and are left out: 1 exact, 1 mirrored, 0 near",
        "auxiliary jaffe: no ",
        "\nleft out 1 files that are none of its faces, as [bold]notes.txt\n",
    ):
        assert words in out
    card = json.loads((root / "stores" / "fer2013" / "card.json").read_text())
    assert card["counts"]["val"] == dict.fromkeys(EXPRESSIONS, 1)
    assert card["duplicates"]["twins"]["val in train"] == 1
    assert len(card["raw_sha256"]) == 64
    assert card["md5"]["published"] == "f8428a1edbd21e88f42c73edd2a14f95"
    card = json.loads((root / "stores" / "aux-train" / "card.json").read_text())
    assert card["in_val_or_test"] == {"exact": 1, "mirrored": 1, "near": 0}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data"]  # no outputs/, no log file


def test_missing_raw_data_say_what_belongs_where(tmp_path):
    done = typed("data=fer2013", root=tmp_path / "none", cwd=tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path}/none/fer2013/fer2013.csv" in done.stderr
    assert "Traceback" not in done.stderr


def loaded(name):
    node = OmegaConf.load(ROOT / "conf" / "data" / f"{name}.yaml")
    for parent in reversed(node.pop("defaults", [])):
        if parent != "_self_":
            node = OmegaConf.merge(loaded(parent), node)
    return node


def config(name):
    """conf/data/NAME.yaml with what it inherits, without Hydra."""
    return OmegaConf.to_container(OmegaConf.create({"data": loaded(name), "near": False}), resolve=True)


@pytest.mark.parametrize("name", DATA)
def test_every_data_config_is_one_that_the_store_takes(name):
    data = config(name)["data"]
    assert data["name"] == name
    assert isinstance(data["auxiliary"], list)
    assert ("leaks" in data) == bool(data["auxiliary"])
    assert data.get("leaks", "drop") in LEAKS
    for entry in data["sources"] + data["auxiliary"]:
        _, entry = Use.of(entry)
        options = {key: value for key, value in entry.items() if key not in ("name", "layout", "path")}
        sources.check_options(entry["layout"], options)
        assert ("path" in entry) == (entry["layout"] != "drawn")


@pytest.mark.parametrize("name", [n for n in DATA if n != "drawn"])
def test_each_says_what_it_expects_and_where(name, tmp_path, monkeypatch):
    monkeypatch.setenv("FERLAB_DATA", str(tmp_path / "none"))
    with pytest.raises(Exception, match=str(tmp_path / "none")) as error:
        prepare(config(name))
    expected = {"ck_plus": "S005_001_00000001.png", "jaffe": "KA.AN1.39.tiff", "class_folders": "happy/1.png"}
    expected["webcam"] = expected["wild"] = expected["class_folders"]
    expected |= dict.fromkeys(("table", "rafdb", "expw"), "a csv of their names and labels")
    expected |= {"arrays": "X_train.npy and y_train.npy"}
    expected |= {"affectnet": "annotations/7_exp.npy", "ckextended": "a csv with the columns emotion, pixels and Usage"}
    expected |= {"image_folders": "train/CLASS", "kdef": "AF01ANS.JPG", "rafd": "Rafd090_01_"}
    assert expected.get(name, "fer2013.csv") in str(error.value)
    assert type(error.value).__name__ == "FerlabError"


def test_drawn_faces_have_a_card(tmp_path, monkeypatch):
    monkeypatch.setenv("FERLAB_DATA", str(tmp_path))
    drawn = config("drawn")
    drawn["data"]["sources"][0] |= {"n_train": 30, "n_val": 10, "n_test": 10}
    (card,) = prepare(drawn)
    assert card["faces"] == 50
    assert card["duplicates"]["groups_across"] == 0
    from rich.console import Console

    console = Console(record=True, width=120)
    show(card, console)
    assert "50 faces" in console.export_text()
