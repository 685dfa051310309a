"""The files of a report: numbers, provenance and arrays."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ferlab.errors import FerlabError
from ferlab.evaluation import report
from ferlab.metrics import scores
from tests.evaluation.small_report import (
    PROVENANCE,
    page,  # noqa: F401
)
from tests.metrics.test_scores import made


def test_a_report_without_provenance_is_refused(tmp_path):
    p, faces, twins = made(30)
    without = {k: v for k, v in PROVENANCE.items() if k not in ("commit", "tta")}
    with pytest.raises(FerlabError, match="commit, tta"):
        report.write_report(tmp_path, scores.measure(p, faces, twins), without, p, faces)
    assert not list(tmp_path.iterdir())


def test_a_file_name_that_is_no_utf8_is_escaped_wherever_it_stands(tmp_path):
    p, faces, twins = made(30)
    files = [os.fsdecode(b"caf\xe9-%d.png" % n) for n in range(30)]
    faces = replace(faces, row=np.arange(30, dtype=np.int32), files=files)
    path = report.write_report(tmp_path, scores.measure(p, faces, twins), PROVENANCE, p, faces)
    shown = {faces.origin(n) for n in range(30)}
    assert "caf\\udce9-3.png" in shown
    mistakes = json.loads((tmp_path / "galleries.json").read_text(encoding="utf-8"))["mistakes"]
    assert {card["origin"] for card in mistakes} <= shown
    assert mistakes[0]["origin"] in path.read_text(encoding="utf-8")


def test_report_holds_the_numbers_their_provenance_and_the_arrays(page):
    path, m, p, _, provenance = page
    told = json.loads((path.parent / "report.json").read_text())
    assert told == json.loads(json.dumps({**provenance, **m}))
    needed = "model members tta split data n correct accuracy interval95 without_train_twins macro_recall recall seed"
    assert {*needed.split(), "commit"} <= told.keys()
    probabilities = np.load(path.parent / "probabilities.npy")
    assert probabilities.dtype == np.float16
    np.testing.assert_allclose(probabilities, p, atol=1e-3)
    predicted = np.load(path.parent / "predicted.npy")
    assert predicted.dtype == np.uint8
    np.testing.assert_array_equal(predicted, p.argmax(1))
    assert np.load(path.parent / "correct.npy").sum() == m["correct"]
    with Image.open(path.parent / "confusion_matrix.png") as image:
        assert min(image.size) > 400
    assert b"<svg" in (path.parent / "confusion_matrix.svg").read_bytes()
    assert not list(path.parent.glob("*.part"))
