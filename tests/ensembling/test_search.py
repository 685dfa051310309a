"""Choosing on val: what is frozen is what is measured, with real runs, small, of different inputs."""

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ferlab.ensembling import subject
from ferlab.errors import FerlabError
from ferlab.predictors import of_run, predictor, views
from ferlab.runs import directory
from tests.conftest import measure
from tests.ensembling.conftest import FACES, NETS, by_hand, choose, said

FROZEN = [
    ("method=greedy", "tta=flip", "tta_space=logit", "temperature=member"),
    ("method=weighted", "tta=poster8", "tta_space=probability", "temperature=none"),
    ("method=soft", "tta=none", "temperature=member"),
]


@pytest.mark.parametrize("overrides", FROZEN)
def test_what_is_frozen_is_what_is_measured(made, overrides):
    folder, choices = choose("best", *overrides)
    about = said(folder)
    assert folder == Path("outputs/ensembles/best")
    assert [f"method={about['method']}", f"tta={about['tta']}"] == list(overrides[:2])
    for split in ("val", "test"):
        (report,) = measure(str(folder), split=split, device="cpu")
        told = json.loads((report / "report.json").read_text())
        faces = FACES.of_split(split)
        expected = by_hand(about, faces.pixels)
        np.testing.assert_allclose(np.load(report / "probabilities.npy"), expected, atol=1e-3)
        assert told["correct"] == (expected.argmax(1) == faces.labels).sum()
        assert told["ensemble_sha256"] == about["sha256"]
        assert report.name == f"{split}-{views.title(about['tta'], about['tta_space'])}"
    assert about["chosen_on"]["accuracy"] == choices[0].accuracy
    (val,) = measure(str(folder), device="cpu")
    assert json.loads((val / "report.json").read_text())["accuracy"] == pytest.approx(about["chosen_on"]["accuracy"])
    look = json.loads(Path("outputs/ledger.jsonl").read_text())
    assert (look["ensemble_sha256"], look["looks_before"]) == (about["sha256"], 0)


def test_members_differ_in_size_and_channels_and_are_measured_as_alone(made):
    folder, _ = choose("best", "method=soft", "tta=none")
    assert [m["name"] for m in said(folder)["members"]] == sorted(NETS)
    inputs = [directory.load(f"outputs/{name}").config["model"]["input"] for name in NETS]
    assert [(i["size"], i["channels"]) for i in inputs] == [(48, 1), (48, 3), (24, 1)]
    alone = []
    for name in sorted(NETS):
        (report,) = measure(f"outputs/{name}", device="cpu")
        alone.append(np.load(report / "probabilities.npy"))
    (report,) = measure(str(folder), device="cpu")
    np.testing.assert_allclose(np.load(report / "probabilities.npy"), np.mean(alone, axis=0), atol=1e-3)
    with (folder / "members.csv").open() as file:
        rows = {row["name"]: float(row["none"]) for row in csv.DictReader(file)}
    labels = FACES.of_split("val").labels
    assert [rows[n] for n in sorted(NETS)] == [pytest.approx(np.mean(p.argmax(1) == labels)) for p in alone]


def test_no_face_of_the_test_split_is_read_while_choosing(made, monkeypatch):
    folder, _ = choose("best", "tta=[none,flip]")
    poisoned = dataclasses.replace(FACES, pixels=FACES.pixels.copy(), targets=FACES.targets.copy())
    test = FACES.split == 2
    poisoned.pixels[test] = 255 - poisoned.pixels[test]
    poisoned.targets[test] = np.roll(poisoned.targets[test], 1, axis=1)
    monkeypatch.setattr(directory, "open_config", lambda *a, **k: poisoned)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    shutil.rmtree(folder)
    shutil.rmtree("outputs/answers")
    again, _ = choose("best", "tta=[none,flip]")
    after = {path.name: path.read_bytes() for path in again.iterdir() if path.is_file()}
    assert set(after) == {"members.json", "choices.csv", "members.csv", "pairs.csv", "error_correlation.png"}
    first, second = (json.loads(files.pop("members.json")) for files in (before, after))
    assert {**first, "frozen_at": ""} == {**second, "frozen_at": ""}
    assert before == after
    assert not Path("outputs/ledger.jsonl").exists()


def test_a_look_at_test_changes_no_choice(made):
    first, _ = choose("first", "tta=[none,flip]")
    measure(str(first), split="test", device="cpu")
    measure("outputs/plain-s0", split="test", device="cpu")
    second, _ = choose("second", "tta=[none,flip]")
    one, two = said(first), said(second)
    for circumstance in ("name", "sha256", "frozen_at"):
        one.pop(circumstance), two.pop(circumstance)
    assert one == two


def test_a_name_stays_with_its_first_choice(made):
    folder, _ = choose("best", "method=soft", "tta=none")
    before = said(folder)
    choose("best", "method=soft", "tta=none")
    assert said(folder) == before
    with pytest.raises(FerlabError, match="frozen with another choice; give another name="):
        choose("best", "method=soft", "tta=flip")
    with pytest.raises(FerlabError, match="is an ensemble chosen on val; give another name="):
        measure("outputs/*-s?", name="best")
    with pytest.raises(FerlabError, match=r"chosen with tta=none tta_space=probability, not flip"):
        measure(str(folder), "flip")
    with pytest.raises(FerlabError, match="leave out name"):
        measure(str(folder), name="other")
    assert said(folder) == before


def test_what_is_measured_is_left_alone_but_not_under_another_space(made, caplog):
    caplog.set_level("INFO")
    (flip,) = measure("outputs/plain-s0", "flip", device="cpu")
    (logit,) = measure("outputs/plain-s0", "flip", device="cpu", space="logit", skip_measured=True)
    assert (flip.name, logit.name) == ("val-flip", "val-flip-logit")
    told = [json.loads((folder / "report.json").read_text()) for folder in (flip, logit)]
    assert [(t["tta"], t["tta_space"]) for t in told] == [("flip", "probability"), ("flip-logit", "logit")]
    # A folder with the right name and weights, and the other space's answers in it
    shutil.copy(flip / "report.json", logit / "report.json")
    caplog.clear()
    measure("outputs/plain-s0", "flip", device="cpu", space="logit", skip_measured=True)
    assert "measured already" not in caplog.text
    folder, _ = choose("best", "method=soft", "tta=flip", "tta_space=logit")
    for times in (0, 1):
        measure(str(folder), split="test", device="cpu", skip_measured=True)
        assert ("best, test: measured already: flip-logit" in caplog.text) == bool(times)
    assert len(Path("outputs/ledger.jsonl").read_text().splitlines()) == 1


def test_each_view_is_asked_once_and_kept(made, monkeypatch):
    asked, predict_views = [], predictor.predict_views
    monkeypatch.setattr(
        predictor, "predict_views", lambda p, x, v, *a: asked.append(len(v)) or predict_views(p, x, v, *a)
    )
    choose("first", "tta=[none,flip]", "method=soft")
    assert asked == [2, 2, 2]
    choose("second", "tta=[flip,views8]", "method=soft")
    assert asked == [2, 2, 2, 8, 8, 8]  # of view sets, flip is known
    choose("third", "tta=[none,views8]", "method=soft")
    assert len(asked) == 6
    one, val = subject.of_run(directory.load("outputs/plain-s0")), FACES.of_split("val").pixels
    flip = views.view_set("flip", "probability")
    kept = one.ask(val, [flip], Path("outputs/answers"), 64, torch.device("cpu"))["flip"]
    expected = predict_views(of_run.predictor_of(one.runs[0]), val, flip.views).mean(0)
    np.testing.assert_allclose(kept, expected, atol=1e-6)
    backwards = one.ask(val[::-1], [flip], Path("outputs/answers"), 64, torch.device("cpu"))["flip"]
    np.testing.assert_array_equal(backwards, kept[::-1])  # a face is known by its pixels, whatever its place
    assert len(asked) == 6
    one.ask(255 - val, [flip], Path("outputs/answers"), 64, torch.device("cpu"))
    assert len(asked) == 7  # other faces


def test_unfinished_runs_are_left_out_and_two_are_needed(made, caplog):
    caplog.set_level("INFO")
    path = Path("outputs/plain-s0/run.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "running"}))
    folder, _ = choose("best", "method=soft", "tta=none")
    assert [m["name"] for m in said(folder)["members"]] == ["colour-s1", "small-s2"]
    assert "left out, unfinished: plain-s0" in caplog.text
    with pytest.raises(FerlabError, match="at least two finished runs, found 1"):
        choose("other", runs="outputs/small*")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": None}, "type name=NAME"),
        ({"name": "a b"}, "use letters, digits"),
        ({"runs": None}, "type runs="),
        ({"tta": "views9"}, "tta is 'views9'; choose auto, none, flip, poster8"),
        ({"tta_space": ["log"]}, "tta_space is 'log'; choose auto, probability, logit"),
        ({"method": "hard"}, "method is 'hard'; choose auto, soft, weighted, greedy"),
        ({"method": []}, "method is empty; choose auto, soft"),
        ({"temperature": "all"}, "temperature is 'all'; choose auto, none, member"),
        ({"tta": "none", "folds": 1}, "expected 2 to 10 folds"),
    ],
)
def test_wrong_values_are_refused_with_the_choices(made, wrong, message):
    with pytest.raises(FerlabError, match=message):
        choose(**{"name": "best", **wrong})
    assert not Path("outputs/ensembles").exists()
