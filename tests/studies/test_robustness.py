"""Accuracy of a net on corrupted faces against a loop, and what is refused."""

import json

import numpy as np
import pytest

from ferlab.errors import FerlabError
from ferlab.studies import robustness
from ferlab.studies.corruptions import corrupt
from ferlab.studies.kinds import KINDS
from tests.composing import composed
from tests.conftest import made_study

CONFIG = composed(command="robustness") | {"corruptions": ["dim_light", "mask"], "strengths": [1, 5]}


def test_unknown_corruptions_and_strengths_are_refused(tmp_path):
    study = made_study(tmp_path, robustness.KIND)
    with pytest.raises(FerlabError, match="corruptions has 'fog'"):
        robustness.measure(study, CONFIG | {"corruptions": ["fog"]})
    with pytest.raises(FerlabError, match=r"strengths is \[\]"):
        robustness.measure(study, CONFIG | {"strengths": []})


def test_means_and_drops_are_of_the_accuracies(tmp_path):
    study = made_study(tmp_path, robustness.KIND)
    found = robustness.measure(study, CONFIG)
    faces = study.faces

    def accuracy(pixels):
        return (study.probabilities(pixels, 16).argmax(1) == faces.labels).mean()

    clean = accuracy(faces.pixels)
    each = {n: [accuracy(corrupt(faces.pixels, n, s)) for s in (1, 5)] for n in ("dim_light", "mask")}
    assert found.clean.accuracy == pytest.approx(clean)
    assert found.corruptions["mask"].by_strength[5].accuracy == pytest.approx(each["mask"][1])
    assert found.corruptions["dim_light"].drop == pytest.approx(clean - np.mean(each["dim_light"]))
    assert found.mean_corruption_accuracy == pytest.approx(np.mean(list(each.values())))
    assert found.relative == pytest.approx(np.mean(list(each.values())) / clean)
    written = json.loads((study.folder / "robustness.json").read_text())
    assert KINDS[robustness.KIND].read(written, "robustness.json") == found
    assert (study.folder / "corruptions.png").is_file()
    assert "low contrast" not in (study.folder / "index.html").read_text()


def test_without_corruptions_the_clean_accuracy_and_recall_are_measured(tmp_path):
    study = made_study(tmp_path, robustness.KIND)
    few = study.faces.take(np.flatnonzero(study.faces.labels == 3))
    one = made_study(tmp_path, robustness.KIND, faces=few)
    found = robustness.measure(one, CONFIG | {"corruptions": []})
    assert found.mean_corruption_accuracy is None
    assert found.recall["happy"] == found.clean.accuracy
    assert found.recall["disgust"] is None
    assert "the data have no such face" in (one.folder / "index.html").read_text()
