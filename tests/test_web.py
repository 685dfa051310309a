"""What the web app may not decide for itself, and that what it collects is what training reads; no browser needed."""

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferlab.expressions import EXPRESSIONS
from ferlab.inference.affect import COORDINATES
from ferlab.training import fit as training
from tests.conftest import made_faces

WEB = Path(__file__).resolve().parents[1] / "web"
SOURCES = sorted(
    path
    for path in [*WEB.glob("*.*"), *(WEB / "src").iterdir()]
    if path.suffix in (".ts", ".js", ".mjs", ".html", ".css")
)


def test_class_names_and_margin_come_from_the_model_alone():
    assert len(SOURCES) > 15
    names = re.compile(rf"\b({'|'.join(EXPRESSIONS)})\b|1\.17|0?\.078", re.IGNORECASE)
    sources = [path for path in SOURCES if path.name != "strip.ts"]  # whose samples are called so
    found = [(path.name, match[0]) for path in sources for match in names.finditer(path.read_text())]
    # Colours and coordinates by name; which names there are and in what order, the model says.
    tables = ("looks.ts", "sheet.ts")
    assert sorted(found) == sorted((name, expression) for name in tables for expression in EXPRESSIONS)


def test_valence_and_arousal_are_pythons():
    table = re.findall(r"^  (\w+): \[(\S+), (\S+)\],$", (WEB / "src" / "sheet.ts").read_text(), re.MULTILINE)
    assert {name: (float(valence), float(arousal)) for name, valence, arousal in table} == COORDINATES


def test_nothing_but_its_own_origin_stands_in_the_page():
    # The namespace of SVG is a name that no browser asks for.
    addresses = re.compile(r"(?:https?:)?//(?!www\.w3\.org/2000/svg\b)[a-z0-9][\w.-]*\.[a-z]{2,}")
    assert not [f"{path.name}: {m[0]}" for path in SOURCES for m in addresses.finditer(path.read_text())]


def test_the_policy_forbids_what_the_page_does_not_need():
    policy = dict(
        part.strip().split(" ", 1)
        for part in json.loads((WEB / "headers.json").read_text())["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert policy["worker-src"] == "'self' blob:"
    assert policy["connect-src"] == "'self'"
    assert "'unsafe" not in " ".join(policy.values())


def test_versions_are_pinned():
    package = json.loads((WEB / "package.json").read_text())
    for name, version in (package["dependencies"] | package["devDependencies"]).items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name


@pytest.fixture
def collected(tmp_path):
    """A webcam.zip as the page's capture mode makes it: five people, each expression twice."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / "webcam.zip", "w") as file:
        for expression in EXPRESSIONS:
            for person in range(5):
                for moment in range(2):
                    path = tmp_path / "face.png"
                    Image.fromarray(rng.integers(0, 256, (96, 96, 3), np.uint8)).save(path)
                    name = f"webcam/{expression}/p{person:02d}-{1764000000000 + moment}.png"
                    file.write(path, name)
    return tmp_path / "webcam.zip"


def test_what_the_page_collects_is_fine_tuned_on_and_held_out_by_person(collected, config, monkeypatch, tmp_path):
    with monkeypatch.context() as patched:
        faces = made_faces(64, 16, 16)
        patched.setattr(training, "open_config", lambda *a, **k: faces)
        source = training.train(config("model=five_layer", "trainer.max_epochs=1", "name=source"))
    words = ["experiment=webcam", f"data.root={collected.parent}", "trainer.max_epochs=1"]
    run = training.train(config(*words, f"weights={source.weights}"))
    assert run.name == "five_layer-webcam-none-s0"
    assert run.info["weights"].endswith(source.weights_sha256)
    found = run.faces()
    people = [set(found.subject[found.split == code].tolist()) for code in range(3)]
    assert [len(of_split) for of_split in people] == [3, 1, 1]
    assert len(set.union(*people)) == 5
    assert (found.split == 2).mean() == pytest.approx(0.2)
