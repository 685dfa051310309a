"""The rows of the models at hand, and the table that is printed of them."""

import json

import pytest
from rich.console import Console

from ferlab.inference import catalogue, models
from tests.inference.test_models import package, put  # noqa: F401

RUN = {"info": {"model": "resnet18", "teacher": {"members": ["a"]}}}
STATED = {"label_system": "ferplus", "bytes": 11_309_620, "precision": "int8", "tta": "none", "runs": [RUN]}
VAL = {"n": 200, "correct": 145, "accuracy": 0.725, "interval95": [0.6591, 0.7822]}
SPEED = {"ms_per_face": 2.583, "relative_to": {"five_layer": 0.28}}


def test_a_row_says_what_the_files_beside_a_model_say(package):
    path = put(package, "one", **STATED, val=VAL)
    row = catalogue.of_model("one", path)
    assert (row.what, row.bytes, row.precision, row.place) == ("resnet18, distilled", 11_309_620, "int8", "ferlab")
    assert (row.val, row.test, row.speed, row.photographs, row.labels) == (VAL, None, None, None, "ferplus")
    measured = VAL | {"without_twins": VAL | {"accuracy": 0.7}}
    models.note(path, val=measured, test=measured, speed=SPEED)
    row = catalogue.of_model("one", path)
    assert (row.val, row.test, row.speed) == (measured, measured, SPEED)
    models.note(path, elsewhere={"wild-test": VAL})
    models.note(path, elsewhere={"wild-val": measured})
    assert models.measured(path)["elsewhere"] == {"wild-test": VAL, "wild-val": measured}
    assert catalogue.of_model("one", path).photographs == VAL


@pytest.mark.parametrize(
    ("runs", "tta", "what"),
    [
        ([RUN], "flip", "resnet18, distilled, flip"),
        ([RUN, {"info": {"model": "vgg16"}}], "views12", "ensemble of 2, views12"),
    ],
)
def test_views_and_members_are_named(package, runs, tta, what):
    path = put(package, "one", **STATED | {"runs": runs, "tta": tta})
    assert catalogue.of_model("one", path).what == what


def test_a_foreign_json_may_state_little(package):
    path = put(package, "one")
    path.write_bytes(b"abc")
    row = catalogue.of_model("one", path)
    assert (row.what, row.labels, row.bytes, row.precision, row.val) == ("–", "–", 3, "", None)


def test_figures_have_their_intervals_and_a_dash_stands_for_none():
    assert catalogue.figure(VAL) == "72.5 (65.9–78.2)"
    assert catalogue.figure(None) == catalogue.figure({}) == catalogue.milliseconds(None) == "–"
    assert catalogue.milliseconds(SPEED) == "2.58"


def test_the_table_has_the_models_the_zoo_s_that_are_missing_and_the_detectors(package):
    path = put(package, "one", **STATED)
    photographs = VAL | {"accuracy": 0.5}
    models.note(path, test=VAL | {"without_twins": VAL | {"accuracy": 0.7}}, speed=SPEED)
    models.note(path, elsewhere={"wild-test": photographs})
    models.list_zoo([catalogue.of_model("one", path).as_json() | {"name": "\x1b[31mbig", "place": "ferlab-zoo"}])
    (package / "face_tiny.onnx").touch()
    (package / "face_tiny.json").write_text(json.dumps({"name": "Tiny", "bytes": 220_339}))
    console = Console(width=20, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    assert catalogue.show(console) == 0
    head, twins, one, alone, big, _, tiny, *_ = console.export_text().splitlines()
    assert head.split() == ["PublicTest,", "%", "PrivateTest,", "%"]
    figures = "– 72.5 (65.9–78.2) 50.0 (65.9–78.2) 2.58"
    assert " ".join(one.split()) == f"one resnet18, distilled ferplus 11.3 int8 {figures} ferlab"
    assert alone.split() == ["–", "70.0", "(65.9–78.2)"]
    assert big.startswith("\\x1b[31mbig")
    assert big.endswith("not here: pip install ./zoo")
    assert tiny.split()[:7] == ["face_tiny", "face", "detector,", "Tiny", "–", "0.2", "–"]
    assert "without twins" in twins
