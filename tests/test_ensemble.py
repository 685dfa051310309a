"""Choosing on val, freezing, and measuring what was frozen: with real runs, small, of different inputs."""

import csv
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from scipy.special import softmax
from statsmodels.stats.contingency_tables import mcnemar
from torch import nn

from ferlab import evaluate, files
from ferlab.config import CONF, plain
from ferlab.deploy import exporting
from ferlab.ensembling import choosing, frozen, search, subject, weighting
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.inference.onnx_model import OnnxModel, rgba_of
from ferlab.predictors import of_run, predictor, views
from ferlab.predictors.warping import warp
from ferlab.runs import directory
from ferlab.studies import opening
from ferlab.training import fit as training
from ferlab.training import teacher
from tests.conftest import made_faces, measure

FACES = made_faces(96, 70, 56)
NETS = {
    "plain-s0": ("+model.net.width=0.25", "seed=0"),
    "colour-s1": (
        "+model.net.width=0.25",
        "seed=1",
        "model.net.channels=3",
        "model.input={size: 48, channels: 3, mean: [0.4, 0.5, 0.6], std: [0.2, 0.3, 0.3]}",
    ),
    "small-s2": (
        *("model=resnet18", "model.net.width=0.125", "model.net.layers=[1,1,1,1]", "model.net.stochastic_depth=0"),
        *("model.input.size=24", "seed=2", "trainer.max_epochs=3"),
    ),
}


def _composed(config, *overrides):
    with initialize_config_dir(CONF, version_base="1.3"):
        return plain(compose(config, overrides=list(overrides)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with finished runs in outputs/."""
    folder = tmp_path_factory.mktemp("trained")
    small = ["batch_size=16", "trainer.max_epochs=2", "trainer.accelerator=cpu", "trainer.enable_progress_bar=false"]
    small.append("trainer.precision=32-true")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "open_config", lambda *a, **k: FACES)
        for name, overrides in NETS.items():
            given = [*small, *overrides, f"name={name}", "wandb=off", f"outputs={folder / 'outputs'}"]
            training.train(_composed("train", *given))
    return folder


@pytest.fixture
def made(trained, tmp_path, monkeypatch):
    """The runs in outputs/ of the working directory, and the faces that they find."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(directory, "open_config", lambda *a, **k: FACES)
    monkeypatch.setattr("ferlab.pages.report_page.write", lambda folder, *_: folder / "index.html")


def choose(name="best", *overrides, **config):
    given = _composed("ensemble", "runs=outputs/*", "folds=4", "repeats=2", "device=cpu", *overrides)
    return search.choose({**given, "name": name, **config})


def said(folder: Path) -> dict:
    return json.loads((folder / "members.json").read_text())


def by_hand(about: dict, pixels: np.ndarray) -> np.ndarray:
    """What a frozen file says, written out in numpy: logits of each member in each view -> the vote [N,7]."""
    faces, total = torch.from_numpy(pixels.copy()).unsqueeze(1), 0.0
    for member in about["members"]:
        model, logits = of_run.predictor_of(directory.load(member["path"])), []
        for mirror, shift, zoom, turn in about["views"]:
            with torch.inference_mode():
                warped = warp(faces, views.View(mirror, tuple(shift), zoom, turn))
                logits.append(model.net(model.preprocess(warped)).double().numpy())
        logits = np.stack(logits)
        p = softmax(logits.mean(0), 1) if about["tta_space"] == "logit" else softmax(logits, 2).mean(0)
        p = p ** (1 / member["temperature"])
        total = total + member["weight"] * p / p.sum(1, keepdims=True)
    return total


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


@pytest.mark.parametrize("overrides", [FROZEN[0], ("method=greedy", "greedy.size=1", "tta=none", "temperature=member")])
def test_exports_and_studies_answer_as_it_was_frozen(made, overrides):
    folder, _ = choose("best", *overrides)
    about, val = said(folder), FACES.of_split("val")
    expected = by_hand(about, val.pixels)
    asked = {"runs": str(folder), "split": "val", "device": "cpu", "tta": None, "data": None}
    (study,) = opening.opened(asked, "calibration")
    np.testing.assert_allclose(study.probabilities(val.pixels, 64), expected, atol=1e-4)
    assert study.about["tta"] == views.title(about["tta"], about["tta_space"])
    (file,) = exporting.export(_composed("export", f"runs={folder}", "precision=fp32", "parity_faces=20"))
    np.testing.assert_allclose(OnnxModel.open(file)(rgba_of(val.pixels)), expected, atol=1e-4)
    for command in (
        lambda: list(opening.opened(asked | {"tta": "views12"}, "calibration")),
        lambda: exporting.export(_composed("export", f"runs={folder}", "tta=views12")),
    ):
        with pytest.raises(FerlabError, match=r"was chosen with tta=.*leave out tta"):
            command()


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


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a["members"][0].update(weight=0.9),
        lambda a: a["members"][0].update(temperature=2.0),
        lambda a: a["members"].pop(),
        lambda a: a.update(tta_space="probability"),
        lambda a: a["views"].pop(),
        lambda a: a["chosen_on"].update(accuracy=1.0),
        lambda a: a.pop("sha256"),
    ],
)
def test_a_changed_file_is_refused(made, change):
    folder, _ = choose("best", "method=soft", "tta=flip", "tta_space=logit")
    about = said(folder)
    change(about)
    files.write_json(folder / "members.json", about)
    with pytest.raises(FerlabError, match="was changed after it was frozen"):
        measure(str(folder), split="test")
    with pytest.raises(FerlabError, match="was changed after it was frozen"):
        teacher.find(str(folder), "flip", Path("kept"))
    with pytest.raises(FerlabError, match="frozen with another choice"):
        choose("best", "method=soft", "tta=flip", "tta_space=logit")
    assert not Path("outputs/ledger.jsonl").exists()


def test_a_changed_member_is_refused(made):
    folder, _ = choose("best", "method=soft", "tta=none")
    checkpoint = Path("outputs/plain-s0/checkpoints/best.ckpt")
    shutil.copy("outputs/colour-s1/checkpoints/best.ckpt", checkpoint)
    with pytest.raises(FerlabError, match=r"best\.ckpt is not what .* was frozen with"):
        measure(str(folder), split="test")
    assert not Path("outputs/ledger.jsonl").exists()


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


def test_weights_are_never_lost_silently(made):
    folder, _ = choose("best", "method=greedy", "greedy.size=2", "tta=none")
    for typed in ([str(folder), "outputs/plain-s0"], ["outputs/plain-s0", str(folder)]):
        with pytest.raises(FerlabError, match="frozen with weights and views of its own; give it alone"):
            measure(typed)
        with pytest.raises(FerlabError, match="give it alone, as teacher="):
            teacher.find(typed, "none", Path())
    (report,) = measure(str(folder), each=True)  # each by itself: the ensemble as it was frozen
    assert json.loads((report / "report.json").read_text())["ensemble_sha256"] == said(folder)["sha256"]


def test_soft_votes_frozen_before_still_load(made):
    """As evaluate has written them since the first release: a list, without weights."""
    folder = Path("outputs/ensembles/old")
    folder.mkdir(parents=True)
    now = [directory.load(f"outputs/{name}") for name in ("plain-s0", "colour-s1")]
    listed = [{"name": r.name, "path": r.path.as_posix(), "weights_sha256": r.weights_sha256} for r in now]
    (folder / "members.json").write_text(json.dumps(listed))
    (report,) = measure(str(folder), "flip", name="old", device="cpu")
    assert json.loads((report / "report.json").read_text())["members"] == ["plain-s0", "colour-s1"]
    assert json.loads((folder / "members.json").read_text()) == listed


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


# Choosing


def test_auto_takes_the_best_cross_validated_choice_and_of_equals_the_simplest(made):
    folder, choices = choose("best", "tta=[none,flip,views8]", "temperature=auto")
    assert len(choices) == 5 * 2 * 3  # none has one space
    assert [c.rank for c in choices] == sorted(c.rank for c in choices)
    best, about = choices[0], said(folder)
    assert best.cross_validated == max(c.cross_validated for c in choices)
    assert about["chosen_on"]["cross_validated_accuracy"] == best.cross_validated
    assert about["chosen_on"]["choices"] == 30
    assert (about["tta"], about["method"], about["temperature"]) == (best.view_set.name, best.method, best.temperature)
    equals = [c for c in choices if c.cross_validated == best.cross_validated]
    assert len(best.view_set.views) == min(len(c.view_set.views) for c in equals)
    with (folder / "choices.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["optimism"]) == pytest.approx(best.accuracy - best.cross_validated)


def test_the_cross_validated_estimate_does_not_see_the_face_that_it_says():
    """A method that remembers the labels it was fitted on is right in sample, and no better than chance across."""
    labels = FACES.of_split("val").labels
    rng = np.random.default_rng(0)
    drawn = softmax(rng.standard_normal((100, len(labels), 7)), axis=2)  # members that know nothing
    seen = search._sets({"tta": "none", "tta_space": "probability"})[0]
    recipe = weighting.Recipe(5, True, "accuracy", 0, 0)
    config = {"folds": 5, "repeats": 4, "seed": 0}
    (choice,) = choosing.fitted(drawn, labels, seen, "none", ["greedy"], recipe, config)
    assert choice.accuracy > 0.28
    assert abs(choice.cross_validated - 1 / 7) < 0.06


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


def test_damaged_answers_are_asked_again(made, caplog):
    val, single = FACES.of_split("val").pixels, views.view_set("none", "probability")

    def ask(name):
        one = subject.of_run(directory.load(f"outputs/{name}"))
        return one.ask(val, [single], Path("outputs/answers"), 64, torch.device("cpu"))["none"]

    first = ask("plain-s0")
    (file,) = Path("outputs/answers").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    np.testing.assert_array_equal(ask("plain-s0"), first)
    assert "its faces are asked again" in caplog.text
    other = ask("colour-s1")
    shutil.copy(next(p for p in file.parent.iterdir() if p != file), file)  # another run's answers under this name
    np.testing.assert_array_equal(ask("plain-s0"), first)
    assert np.abs(other - first).max() > 0


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
        ({"tta": "none", "folds": 1}, "expected 2 to 70 folds"),
    ],
)
def test_wrong_values_are_refused_with_the_choices(made, wrong, message):
    with pytest.raises(FerlabError, match=message):
        choose(**{"name": "best", **wrong})
    assert not Path("outputs/ensembles").exists()


# Hindsight, and the teacher


def test_the_selection_gap_is_told_after_test_alone(made, capsys):
    folder, _ = choose("best", "method=soft", "tta=none")
    conf = _composed("evaluate", f"runs={folder}", "device=cpu")
    for split in ("val", "test"):
        evaluate.main.__wrapped__({**conf, "split": split})
    shown = capsys.readouterr().out
    assert shown.count("in hindsight (known only after the choice, never used to choose)") == 1
    reports = {s: json.loads((folder / f"reports/{s}-none/report.json").read_text()) for s in ("val", "test")}
    assert "hindsight" not in reports["val"]
    test, found = FACES.of_split("test"), reports["test"]["hindsight"]
    said_by = [
        predictor.predict(of_run.predictor_of(directory.load(f"outputs/{name}")), test.pixels) for name in sorted(NETS)
    ]
    singles = [float(np.mean(p.argmax(1) == test.labels)) for p in said_by]
    assert found["best_single"]["accuracy"] == max(singles)
    assert found["best_single"]["gap"] == pytest.approx(max(singles) - reports["test"]["accuracy"])
    weights = [found["best_greedy"]["members"].get(name, 0) for name in sorted(NETS)]
    assert found["best_greedy"]["accuracy"] == np.mean(np.average(said_by, 0, weights).argmax(1) == test.labels)
    assert found["best_greedy"]["accuracy"] >= max(singles)


def test_a_chosen_ensemble_teaches_with_its_weights(made):
    folder, _ = choose("best", "method=greedy", "greedy.size=5", "tta=flip", "tta_space=logit", "temperature=member")
    about = said(folder)
    pixels = FACES.of_split("train").pixels[:20]
    frozen = teacher.find(str(folder), "frozen", Path("kept"))
    np.testing.assert_allclose(frozen.probabilities(pixels, "cpu"), by_hand(about, pixels), atol=1e-5)
    alone = teacher.find(str(folder), "none", Path("kept"))  # other views, the same weights
    single = {**about, "views": [list(views.View())], "tta_space": "probability"}
    np.testing.assert_allclose(alone.probabilities(pixels, "cpu"), by_hand(single, pixels), atol=1e-5)
    soft = teacher.find([m["path"] for m in about["members"]], "none", Path("kept"))
    assert len({frozen.file, alone.file, soft.file}) == 3
    assert alone.about["ensemble_sha256"] == about["sha256"]
    with pytest.raises(FerlabError, match="frozen is for an ensemble that was chosen on val"):
        teacher.find("outputs/plain-s0", "frozen", Path("kept"))


def test_an_ensemble_of_another_order_of_classes_is_refused(made):
    folder, _ = choose("best", "method=soft", "tta=none")
    about = said(folder) | {"expressions": list(EXPRESSIONS[::-1])}
    files.write_json(folder / "members.json", about | {"sha256": frozen.frozen_sha256(about)})
    with pytest.raises(FerlabError, match="answers in the order neutral"):
        measure(str(folder))


@pytest.mark.slow
def test_from_the_command_line_on_drawn_faces(tmp_path):
    def typed(*words):
        environment = os.environ | {"FERLAB_DATA": str(tmp_path / "data")}
        command = [sys.executable, "-m", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    drawn = ["data=drawn", "data.n_train=300", "data.n_val=140", "data.n_test=140", "trainer.max_epochs=1", "wandb=off"]
    for seed, other in ((0, []), (1, NETS["colour-s1"][2:])):
        typed("ferlab.train", *drawn, "batch_size=32", f"seed={seed}", "+model.net.width=0.25", *other)
    shown = typed("ferlab.ensemble", "runs=outputs/*", "name=best", "tta=[none,flip]", "greedy.size=3")
    assert "frozen: outputs/ensembles/best" in shown
    shown = typed("ferlab.evaluate", "runs=outputs/ensembles/best", "split=test")
    assert "in hindsight" in shown
    typed("ferlab.train", *drawn, "teacher=outputs/ensembles/best", "teacher_tta=frozen", "name=taught")
    assert (
        directory.load(tmp_path / "outputs/taught").info["teacher"]["ensemble_sha256"]
        == said(tmp_path / "outputs/ensembles/best")["sha256"]
    )


# Specialists


class _BrightestBar(nn.Module):
    """Knows the classes of made faces from their bars; of two that it confuses it takes each for the other."""

    def __init__(self, sharpness: float = 0.1, confuses: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.sharpness, self.order = sharpness, list(range(7))
        if confuses:
            one, other = confuses
            self.order[one], self.order[other] = other, one

    def preprocess(self, faces):
        return faces.float()[:, 0, :42, 8:40].reshape(len(faces), 7, -1).mean(2)  # [B,7]

    def net(self, bars):
        return (bars[:, self.order] + bars / 2) * self.sharpness  # of the half, the true one comes second

    def forward(self, faces):
        return self.net(self.preprocess(faces)).softmax(1)


@pytest.fixture
def specialist(made, monkeypatch):
    """Adds a run for the two classes that all others take for each other; gives them and how often a vote is wrong."""
    pair = (4, 6)
    nets = {name: _BrightestBar(0.04 + 0.01 * i, pair) for i, name in enumerate(NETS)} | {"special": _BrightestBar()}
    for user in ("predictors.of_run", "ensembling.subject"):
        monkeypatch.setattr(f"ferlab.{user}.predictor_of", lambda run: nets[run.name])
    val = FACES.of_split("val")
    base = np.mean([predictor.predict(nets[name], val.pixels) for name in NETS], 0)
    routed = (np.sort(np.argsort(base, 1)[:, -2:], 1) == pair).all(1)
    gained = int((routed & (base.argmax(1) != val.labels) & np.isin(val.labels, pair)).sum())

    def add(only=None):
        only = only or [EXPRESSIONS[k] for k in pair]
        shutil.copytree("outputs/plain-s0", "outputs/special")
        config = directory.load("outputs/special").config | {"only": only}
        directory.write_config(Path("outputs/special"), config)
        with directory.load("outputs/special").weights.open("ab") as file:
            file.write(b"its own")  # answers are kept by the weights' checksum
        return only, gained

    return add


def test_a_specialist_that_gains_is_kept_frozen_and_measured(specialist):
    pair, gained = specialist()
    assert gained >= 6  # else no exact test could be below 0.05
    folder, _ = choose("best", "method=soft", "tta=none")
    about = said(folder)
    assert [m["name"] for m in about["members"]] == sorted(NETS)
    (one,) = about["specialists"]
    assert (one["name"], one["pair"], one["gained"], one["lost"]) == ("special", pair, gained, 0)
    for split in ("val", "test"):
        (report,) = measure(str(folder), split=split, device="cpu")
        told = json.loads((report / "report.json").read_text())
        faces = FACES.of_split(split)
        base = by_hand(about, faces.pixels)
        spec = predictor.predict(_BrightestBar(), faces.pixels)
        expected, places = base.copy(), [EXPRESSIONS.index(name) for name in pair]
        for i in range(len(base)):
            if set(np.argsort(base[i])[-2:]) == set(places):
                expected[i, places] = base[i, places].sum() * spec[i, places] / spec[i, places].sum()
        np.testing.assert_allclose(np.load(report / "probabilities.npy"), expected, atol=1e-3)
        assert told["specialists"] == {"special": pair}
        if split == "val":
            assert told["accuracy"] == about["chosen_on"]["accuracy"]
            assert told["accuracy"] - about["chosen_on"]["without_specialists"] == pytest.approx(gained / 70)
    taught = teacher.find(str(folder), "none", Path("kept")).probabilities(FACES.of_split("test").pixels, "cpu")
    np.testing.assert_allclose(taught, expected, atol=1e-5)
    about["specialists"] = []
    files.write_json(folder / "members.json", about)
    with pytest.raises(FerlabError, match="was changed after it was frozen"):
        measure(str(folder))


def test_a_specialist_without_a_sure_gain_is_left_out_and_told(specialist):
    pair, gained = specialist()
    folder, _ = choose("best", "method=soft", "tta=none", "specialist_level=1e-9")
    about = said(folder)
    assert about["specialists"] == []
    assert about["chosen_on"]["accuracy"] == about["chosen_on"]["without_specialists"]
    with (folder / "specialists.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["pair"], row["gained"], row["kept"]) == ("/".join(pair), str(gained), "False")
    assert float(row["p"]) == pytest.approx(mcnemar([[0, 0], [gained, 0]], exact=True).pvalue)


def test_a_specialist_of_another_number_of_classes_is_refused(specialist):
    specialist(["sad", "neutral", "fear"])
    with pytest.raises(FerlabError, match="a specialist needs two expressions"):
        choose("best", "method=soft", "tta=none")
