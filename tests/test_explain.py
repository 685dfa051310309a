"""The commands' results on made faces: regions, claims and verdicts that are known beforehand, and what is refused."""

import json

import numpy as np
import pytest

from ferlab.data.faces import Faces
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.studies import explanation, face_regions
from tests.conftest import made_faces, made_study
from tests.test_conf import composed

CONFIG = composed(config="explain") | {
    "faces": 7,
    "shown": 1,
    "steps": 4,
    "curve_steps": 6,
    "sanity_faces": 2,
    "sanity_stages": 2,
}
CHEAP = CONFIG | {"methods": ["gradients", "grad_cam"], "shown": 1}


def test_regions_are_apart_cover_the_face_and_lie_where_a_face_has_them():
    masks = face_regions.masks()
    assert (np.sum(list(masks.values()), axis=0) == 1).all()
    rows = {name: np.flatnonzero(mask.any(1)).mean() for name, mask in masks.items()}
    assert rows["brows"] < rows["eyes"] < rows["nose"] < rows["mouth"]
    for name in face_regions.BOXES:
        share_of_mirror = (masks[name] & masks[name][:, ::-1]).sum() / masks[name].sum()
        assert share_of_mirror > 0.9


def test_density_is_share_of_attribution_over_share_of_area():
    masks = face_regions.masks()
    maps = np.stack([np.ones((48, 48)), masks["mouth"] * 3.0, masks["eyes"] * 1.0 - masks["nose"], -np.ones((48, 48))])
    found = face_regions.density(maps)
    assert {name: values[0] for name, values in found.items()} == pytest.approx(dict.fromkeys(masks, 1.0))
    assert found["mouth"][1] == pytest.approx(48 * 48 / (13 * 22))
    assert (found["eyes"][2] > 1, found["nose"][2]) == (True, 0)
    assert np.isnan([values[3] for values in found.values()]).all()


def maps_on(*regions, n=30, strength=3.0):
    rng = np.random.default_rng(0)
    held = sum(face_regions.masks()[r] for r in regions)
    return rng.random((n, 48, 48)) + strength * held


@pytest.mark.parametrize(
    ("looks_at", "verdict"),
    [(("mouth", "nose"), "supported"), (("eyes", "brows"), "contradicted"), ((), "undecided"), (("mouth",), "partly")],
)
def test_verdicts_follow_from_the_numbers(looks_at, verdict):
    found = face_regions.verdict(face_regions.density(maps_on(*looks_at)), ("mouth", "nose"), seed=0)
    assert found["verdict"] == verdict
    assert found["n"] == 30
    low, mean, high = (found["difference"][k] for k in ("low", "mean", "high"))
    assert low <= mean <= high


def test_no_face_and_one_face_decide_nothing():
    one = face_regions.density(maps_on("mouth", n=1))
    none = {name: values[:0] for name, values in one.items()}
    assert face_regions.verdict(one, ("mouth",), 0)["verdict"] == "undecided"
    assert face_regions.verdict(none, ("mouth",), 0) == {
        "named": ["mouth"],
        "others": ["brows", "eyes", "nose"],
        "n": 0,
        "difference": None,
        "verdict": "undecided",
    }
    assert face_regions.table(none, 0) is None


def test_every_claim_names_known_expressions_and_regions():
    assert set(face_regions.CLAIMS) <= set(EXPRESSIONS)
    assert {region for named in face_regions.CLAIMS.values() for region in named} <= set(face_regions.BOXES)


def test_everything_that_is_found_is_written(tmp_path):
    study = made_study(tmp_path, explanation.KIND)
    found = explanation.explain(study, CONFIG)
    written = json.loads((study.folder / "explain.json").read_text())
    assert written["claims"] == found["claims"]
    assert set(written["checks"]) == {*CONFIG["methods"], "random_pixels", "random_patches"}
    for of in written["sanity"].values():
        assert of["correlation"][0] == 1
        assert of["passes"] == (abs(of["correlation"][-1]) < CONFIG["sanity_limit"])
    maps = np.load(study.folder / "maps.npz")
    assert maps["xrai"].shape == (7, 48, 48)
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
    assert explanation.told(found, CONFIG["methods"])[0].startswith("pass both checks: ")


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
    assert found["regions"]["gradients"]["happy"]["n"] == 1
    assert found["regions"]["gradients"]["disgust"] is None
    assert found["claims"]["happy"]["gradients"]["verdict"] == "undecided"
    assert "small: no face to explain as disgust" in caplog.text
    assert "no face" in (study.folder / "index.html").read_text()
    some = made_study(tmp_path, explanation.KIND, faces=of_faces(3, 4, constant=[1]))
    assert explanation.explain(some, CHEAP)["left_out_constant"] == 1
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
