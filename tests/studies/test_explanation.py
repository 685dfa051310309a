"""Explanations of a small net on made faces: what is written, which faces are chosen and what is refused."""

import json

import numpy as np
import pytest

from ferlab.data.faces import Faces
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.studies import explanation, face_regions
from ferlab.studies.kinds import KINDS
from tests.composing import composed
from tests.conftest import made_faces, made_study

CONFIG = composed(command="explain") | {
    "faces": 4,
    "shown": 1,
    "steps": 4,
    "curve_steps": 6,
    "sanity_faces": 2,
    "sanity_stages": 2,
}
CHEAP = CONFIG | {"methods": ["gradients", "grad_cam"], "faces": 7}


def test_everything_that_is_found_is_written(tmp_path):
    study = made_study(tmp_path, explanation.KIND)
    found = explanation.explain(study, CONFIG)
    written = json.loads((study.folder / "explain.json").read_text())
    assert KINDS[explanation.KIND].read(written, "explain.json") == found
    assert set(written["checks"]) == {*CONFIG["methods"], "random_pixels", "random_patches"}
    for of in written["sanity"].values():
        assert of["correlation"][0] == 1
        assert of["passes"] == (abs(of["correlation"][-1]) < CONFIG["sanity_limit"])
    maps = np.load(study.folder / "maps.npz")
    assert maps["xrai"].shape == (4, 48, 48)
    predicted = study.probabilities(study.faces.pixels, 8).argmax(1)
    assert [EXPRESSIONS[k] for k in predicted[maps["row"]]] == [face["explained"] for face in written["faces"]]
    # The table is what the maps say.
    k = int(np.bincount(maps["target"]).argmax())
    densities = face_regions.density(maps["grad_cam"][maps["target"] == k].astype(float))
    assert written["regions"]["grad_cam"][EXPRESSIONS[k]]["mouth"]["mean"] == pytest.approx(
        np.nanmean(densities["mouth"]), rel=2e-2
    )
    page = (study.folder / "index.html").read_text()
    assert all(word in page for word in ("disgust: mouth, nose", "integrated gradients", "depends on the weights"))
    assert all((study.folder / name).is_file() for name in ("mean_maps.png", "faces.png", "sanity.png"))


def test_expressions_take_turns_and_the_choice_repeats(tmp_path):
    study = made_study(tmp_path, explanation.KIND)
    chosen, answers, left_out = explanation._choose(study, CHEAP | {"target": "label", "faces": 7})
    assert np.bincount(answers[chosen]).tolist() == [1] * 7
    assert left_out == 0
    again, *_ = explanation._choose(study, CHEAP | {"target": "label", "faces": 7})
    assert chosen.tolist() == again.tolist()


def of_faces(*labels, constant=()):
    faces = made_faces(n_train=0, n_val=49, n_test=0)
    taken = faces.take(np.array([np.flatnonzero(faces.labels == k)[i] for i, k in enumerate(labels)]))
    pixels = taken.pixels.copy()
    pixels[list(constant)] = 90
    return Faces(pixels, taken.targets, taken.split, taken.subject, taken.row)


def test_one_face_empty_classes_and_constant_faces(tmp_path, caplog):
    study = made_study(tmp_path, explanation.KIND, faces=of_faces(3))
    found = explanation.explain(study, CHEAP | {"target": "label"})
    assert found.regions["gradients"]["happy"].n == 1
    assert found.regions["gradients"]["disgust"] is None
    assert found.claims["happy"]["gradients"].verdict == "undecided"
    assert "small: no face to explain as disgust" in caplog.text
    assert "no face" in (study.folder / "index.html").read_text()
    some = made_study(tmp_path, explanation.KIND, faces=of_faces(3, 4, constant=[1]))
    assert explanation.explain(some, CHEAP).left_out_constant == 1
    grey = made_study(tmp_path, explanation.KIND, faces=of_faces(3, 4, constant=[0, 1]))
    with pytest.raises(FerlabError, match="all 2 faces are of one grey"):
        explanation.explain(grey, CHEAP)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"methods": ["lime"]}, "methods has 'lime'; choose from occlusion"),
        ({"methods": []}, "methods is empty"),
        ({"target": "true"}, "target is 'true'; choose predicted or label"),
        ({"faces": 0}, "faces is 0"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, wrong, message):
    with pytest.raises(FerlabError, match=message):
        explanation.explain(made_study(tmp_path, explanation.KIND), CHEAP | wrong)
