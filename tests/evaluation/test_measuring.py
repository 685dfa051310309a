"""Runs with tiny nets on made faces: what is written where, what is refused, what is counted."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ferlab.ensembling import frozen
from ferlab.errors import FerlabError
from ferlab.predictors.predictor import Ensemble, Model, TestTimeAugmentation, predict
from ferlab.predictors.views import VIEWS
from ferlab.runs import directory, split
from tests.conftest import measure
from tests.evaluation.fake_runs import (
    FakeRun,
    _Scale,
    add,
    faces_of,
    made,  # noqa: F401
    told,
)


def looks():
    path = Path("outputs/ledger.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def contents():
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path("outputs").rglob("*") if path.is_file()}


def test_one_run_is_measured_beside_its_weights(made):
    (folder,) = measure("outputs/a-s0", "flip")
    assert folder == Path("outputs/a-s0/reports/val-flip")
    run, report = made[Path("outputs/a-s0")], told(folder)
    faces = run.faces().of_split("val")
    expected = predict(TestTimeAugmentation(run.predictor(), "flip"), faces.pixels)
    np.testing.assert_allclose(np.load(folder / "probabilities.npy"), expected, atol=1e-3)
    assert report["correct"] == (expected.argmax(1) == faces.labels).sum()
    assert report["without_train_twins"]["n"] == 19
    facts = ("name", "model", "members", "tta", "split", "data", "seed", "class_weights", "commit", "best_epoch")
    assert [report[f] for f in facts] == [
        *("a-s0", "linear", ["a-s0"], "flip", "val", "fer2013", 0, "none", "c0ffee", 3)
    ]
    assert report["weights_sha256"] == [run.weights_sha256]
    assert "looks_before" not in report
    assert not Path("outputs/ledger.jsonl").exists()
    assert not Path("outputs/ensembles").exists()


def test_several_runs_vote_softly_and_are_frozen_to_a_file(made):
    (folder,) = measure("outputs/*-s*")
    assert folder == Path("outputs/ensembles/a-s0__a-s1__b-s2/reports/val-none")
    members = [made[Path("outputs") / name] for name in ("a-s0", "a-s1", "b-s2")]
    expected = predict(Ensemble([m.predictor() for m in members]), members[0].faces().of_split("val").pixels)
    np.testing.assert_allclose(np.load(folder / "probabilities.npy"), expected, atol=1e-3)
    report = told(folder)
    assert report["model"] == "ensemble"
    assert report["members"] == ["a-s0", "a-s1", "b-s2"]
    assert report["seed"] == [0, 1, 2]
    assert report["commit"] == "c0ffee"
    assert report["parameters"] == 3 * 16135
    frozen = json.loads((folder.parents[1] / "members.json").read_text())
    assert [m["weights_sha256"] for m in frozen] == [m.weights_sha256 for m in members]
    # The ensemble's own directory can be typed back.
    assert measure(str(folder.parents[1]), "flip") == [folder.parent / "val-flip"]
    assert told(folder.parent / "val-flip")["members"] == report["members"]


def test_answers_weighed_for_known_shares_have_folders_of_their_own(made):
    runs, wanted = ["outputs/a-s0", "outputs/a-s1"], [5, 0, 1, 1, 1, 1, 1]
    (own,), (folder,) = measure(runs), measure(runs, priors=wanted, skip_measured=True)
    assert (own.name, folder.name) == ("val-none", "val-none-priors")
    learned = np.mean([made[Path(run)].info["priors"] for run in runs], axis=0)
    weighed = np.load(own / "probabilities.npy").astype(float) * np.array(wanted) / learned
    np.testing.assert_allclose(
        np.load(folder / "probabilities.npy"), weighed / weighed.sum(1, keepdims=True), atol=2e-3
    )
    assert told(folder)["priors"] == [share / 10 for share in wanted]
    assert told(folder)["tta"] == "none-priors"  # what reads reports knows them by split and views
    assert "priors" not in told(own)
    before = contents()
    assert measure(runs, priors=wanted, skip_measured=True) == [folder]
    assert contents() == before


def test_several_sets_of_views_ask_the_net_once_per_view(made, monkeypatch):
    seen = []
    scale = _Scale.forward
    monkeypatch.setattr(_Scale, "forward", lambda self, faces: seen.append(len(faces)) or scale(self, faces))
    folders = measure("outputs/a-s0", ["none", "flip", "views8", "flip"])
    assert [f.name for f in folders] == ["val-none", "val-flip", "val-views8"]
    assert sum(seen) == 8 * 20
    run = made[Path("outputs/a-s0")]
    for folder in folders:
        views = VIEWS[told(folder)["tta"]]
        expected = predict(TestTimeAugmentation(run.predictor(), views), run.faces().of_split("val").pixels)
        np.testing.assert_allclose(np.load(folder / "probabilities.npy"), expected, atol=1e-3)
        assert told(folder)["views"] == json.loads(json.dumps(views))


def test_a_look_at_test_is_one_line_in_the_ledger(made):
    folders = measure("outputs/a-s0", ["none", "flip"], "test")
    assert [f.name for f in folders] == ["test-none", "test-flip"]
    measure("outputs/a-s0", "none", "test")
    measure(["outputs/a-s0", "outputs/a-s1"], "none", "test")
    assert [(e["runs"], e["tta"]) for e in looks()] == [
        (["a-s0"], ["none", "flip"]),
        (["a-s0"], ["none"]),
        (["a-s0", "a-s1"], ["none"]),
    ]
    assert [(e["looks_before"], e["looks_before_at_data"]) for e in looks()] == [(0, 0), (1, 1), (0, 2)]
    assert told(folders[1])["looks_before"] == 0
    assert told(Path("outputs/a-s0/reports/test-none"))["looks_before"] == 1
    assert told(folders[0])["without_train_twins"]["n"] == 18


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_report_that_has_no_place_is_refused_before_the_net_and_the_look(made, monkeypatch, split):
    Path("outputs/a-s0/reports").touch()
    monkeypatch.setattr(FakeRun, "predictor", lambda run: pytest.fail("the net was run"))
    with pytest.raises(FerlabError, match=f"could not write outputs/a-s0/reports/{split}-flip"):
        measure("outputs/a-s0", "flip", split)
    assert looks() == []


def test_members_measured_on_different_faces_are_refused_before_the_look(made):
    with pytest.raises(FerlabError, match=r"a-s0 and other have different test faces"):
        measure(["outputs/a-s0", "outputs/other"], split="test")
    assert not Path("outputs/ledger.jsonl").exists()
    assert not Path("outputs/ensembles").exists()


def test_a_name_too_long_ends_in_a_mark_of_its_members(tmp_path):
    def folder(names):
        return frozen.freeze([FakeRun(Path("outputs") / n) for n in names], tmp_path).name

    long = [f"five_layer-fer2013+aux-balanced-s{k}" for k in range(9)]
    name = folder(long)
    assert name.startswith("9x-linear-")
    assert len(name) <= 72
    assert not set(name) & set("=,'\" ")
    assert folder(reversed(long)) == name
    assert folder([*long[:8], "x"]) != name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tta": "views9"}, "'views9'; choose none, flip, poster8, views8, views12 or views24"),
        ({"tta": []}, "tta is empty; choose from none, flip"),
        ({"split": "train"}, "split is 'train'; choose val or test"),
        ({"device": "gpu"}, "device is 'gpu'; choose auto, cpu or cuda"),
        ({"runs": None}, "type runs=outputs/NAME"),
        ({"runs": []}, "type runs=outputs/NAME"),
        ({"runs": "outputs/none*"}, "outputs/a-s0, outputs/a-s1"),
    ],
)
def test_wrong_values_are_refused_with_the_choices(made, arguments, message):
    with pytest.raises(FerlabError, match=message):
        measure(**{"runs": "outputs/a-s0", **arguments})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_named(made):
    with pytest.raises(FerlabError, match="type device=cpu"):
        measure("outputs/a-s0", device="cuda")


def test_a_split_without_faces_is_named(made, monkeypatch):
    monkeypatch.setattr(FakeRun, "faces", lambda self: faces_of().take(np.arange(40)))
    with pytest.raises(FerlabError, match="a-s0 has no test faces"):
        measure("outputs/a-s0", split="test")


# Each by itself


def test_each_run_is_measured_as_alone_and_shared_data_are_opened_once(made, monkeypatch):
    opened, faces = [], FakeRun.faces
    monkeypatch.setattr(FakeRun, "faces", lambda self: opened.append(self.name) or faces(self))
    folders = list(measure(["outputs/*-s*", "outputs/other"], ["none", "flip"], each=True))
    runs_in_order = ("a-s0", "a-s1", "b-s2", "other")
    assert folders == [Path("outputs") / r / f"reports/val-{tta}" for r in runs_in_order for tta in ("none", "flip")]
    assert opened == ["a-s0", "other"]
    assert not Path("outputs/ensembles").exists()
    together = {folder: (folder / "probabilities.npy").read_bytes() for folder in folders}
    for run in runs_in_order:
        for folder in measure(f"outputs/{run}", ["none", "flip"]):
            assert (folder / "probabilities.npy").read_bytes() == together[folder]


def test_what_fails_does_not_stop_the_others_and_is_listed(made, monkeypatch, caplog):
    add(made, "broken")
    add(made, "running", status="running")

    def predictor(self):
        if self.name == "broken":
            raise RuntimeError("CUDA error")
        return Model(_Scale(), nn.Sequential(nn.Flatten(), nn.Linear(48 * 48, 7))).eval()

    monkeypatch.setattr(FakeRun, "predictor", predictor)
    typed = ["outputs/none-*", "outputs/broken", "outputs/running", "outputs/a-*"]
    measured = []
    with pytest.raises(FerlabError) as error:
        measured += measure(typed, "none", "test", each=True)
    assert [folder.parts[1] for folder in measured] == ["a-s0", "a-s1"]
    assert "outputs/none-*, outputs/broken, outputs/running; mend them" in str(error.value)
    assert "runs='outputs/none-*' matches no run directory" in caplog.text
    assert "CUDA error" in caplog.text
    assert "running unfinished; expected finished runs: train with ckpt=last" in caplog.text
    assert [e["runs"] for e in looks()] == [["a-s0"], ["a-s1"]]
    assert Path("outputs/a-s1/reports/test-none/report.json").is_file()


def test_a_damaged_run_of_a_glob_does_not_stop_the_others(made, monkeypatch, caplog):
    load = directory.load

    def damaged(path):
        if Path(path).name == "a-s0":
            raise FerlabError("outputs/a-s0 is no run directory")
        return load(path)

    monkeypatch.setattr(directory, "load", damaged)
    measured: list[Path] = []
    with pytest.raises(FerlabError, match="not measured, for the reasons above: outputs/a-s0; mend them"):
        measured.extend(measure("outputs/a-*", each=True))
    assert [folder.parts[1] for folder in measured] == ["a-s1"]
    assert "is no run directory" in caplog.text


# What is measured already


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("name", [None, "two"])
def test_what_is_measured_is_not_measured_again(made, monkeypatch, split, name, caplog):
    def again(tta, patterns=("outputs/a-s0", "outputs/a-s1")):
        options = {"split": split, "skip_measured": True}
        if name:
            return measure(patterns, tta, name=name, **options)
        return list(measure(patterns, tta, **options, each=True))

    folders = again(["none", "flip"])
    before, looked = contents(), looks()
    with monkeypatch.context() as patch:
        patch.setattr(FakeRun, "predictor", lambda self: pytest.fail("the net was opened"))
        caplog.set_level("INFO")
        assert again(["none", "flip"], ("outputs/a-s1", "outputs/a-s0")[:: 1 if name else -1]) == folders
    assert contents() == before
    assert looks() == looked
    assert f"{name or 'a-s1'}, {split}: measured already: none, flip" in caplog.text
    more = again(["none", "flip", "views8"])
    assert all((folder / "report.json").is_file() for folder in more)
    assert {path: what for path, what in contents().items() if path in before and "ledger" not in path.name} == {
        path: what for path, what in before.items() if "ledger" not in path.name
    }
    assert [e["tta"] for e in looks()[len(looked) :]] == [["views8"]] * (len(looked))


def test_other_weights_faces_or_views_and_damaged_reports_are_measured(made, monkeypatch):
    def measured():
        measure("outputs/a-s0", "flip", "test", skip_measured=True)
        return len(looks())

    run = made[Path("outputs/a-s0")]
    assert [measured(), measured()] == [1, 1]
    run.retrained = "again"
    assert [measured(), measured()] == [2, 2]
    run.data = "fer20135"
    assert [measured(), measured()] == [3, 3]
    monkeypatch.setitem(VIEWS, "flip", VIEWS["views8"])
    assert [measured(), measured()] == [4, 4]
    Path("outputs/a-s0/reports/test-flip/report.json").write_text("{")
    assert [measured(), measured()] == [5, 5]
    Path("outputs/a-s0/reports/test-flip/report.json").unlink()
    assert [measured(), measured()] == [6, 6]


# Names of ensembles, and runs that have not ended


def test_a_name_stays_with_its_members(made):
    (folder,) = measure("outputs/a-*", name="ensemble-none")
    assert folder == Path("outputs/ensembles/ensemble-none/reports/val-none")
    assert told(folder)["name"] == "ensemble-none"
    frozen = folder.parents[1] / "members.json"
    before = frozen.read_bytes()
    measure(["outputs/a-s1", "outputs/a-s0"], "flip", name="ensemble-none")
    measure("outputs/ensembles/ensemble-none", "flip", name="ensemble-none")
    assert frozen.read_bytes() == before
    with pytest.raises(FerlabError, match=r"ensemble-none is frozen with other members or weights \(see b-s2\)"):
        measure("outputs/*-s*", split="test", name="ensemble-none")
    made[Path("outputs/a-s1")].retrained = "again"
    with pytest.raises(FerlabError, match=r"\(see a-s1\); give another name="):
        measure("outputs/a-*", split="test", name="ensemble-none")
    assert frozen.read_bytes() == before
    assert not looks()


def test_members_that_were_moved_keep_their_name(made):
    measure("outputs/a-*", name="x")
    for seed in (0, 1):
        old = Path(f"outputs/a-s{seed}")
        new = Path(f"moved/a-s{seed}")
        new.mkdir(parents=True)
        (new / "config.yaml").touch()
        made[new] = FakeRun(new, seed, made[old].data)
    measure("moved/a-*", name="x")
    frozen = json.loads(Path("outputs/ensembles/x/members.json").read_text())
    assert [m["path"] for m in frozen] == ["moved/a-s0", "moved/a-s1"]


@pytest.mark.parametrize("name", ["a b", "../x", "", "a=b"])
def test_names_that_cannot_be_typed_are_refused(made, name):
    with pytest.raises(FerlabError, match="use letters, digits"):
        measure("outputs/a-*", name=name)
    assert not Path("outputs/ensembles").exists()


def test_a_single_run_takes_no_name(made):
    with pytest.raises(FerlabError, match="name=x is for an ensemble, and runs names only a-s0"):
        measure("outputs/a-s0", name="x")


def test_an_unfinished_run_is_looked_at_by_itself_on_val_alone(made):
    add(made, "a-s3", status="failed")
    measure("outputs/a-s3")
    with pytest.raises(FerlabError, match="a-s3 unfinished"):
        measure("outputs/a-s3", split="test")
    with pytest.raises(FerlabError, match="a-s3 unfinished"):
        measure("outputs/a-*")
    assert not looks()
    assert not Path("outputs/ensembles").exists()


def test_a_run_that_was_trained_again_replaces_the_one_that_failed(made):
    add(made, "c-s0", status="failed")
    add(made, "c-s0-2", seed=0, typed="c-s0")
    folders = list(measure("outputs/c-s0*", each=True))
    assert folders == [Path("outputs/c-s0-2/reports/val-none")]
    (folder,) = measure(["outputs/a-s0*", "outputs/c-s0*"], name="x")
    assert told(folder)["members"] == ["a-s0", "c-s0-2"]


def test_a_glob_takes_one_training_of_a_name(made):
    add(made, "a-s0-2", typed="a-s0")
    with pytest.raises(FerlabError, match="a-s0 and a-s0-2 are two trainings of one name"):
        measure("outputs/a-s*")
    (folder,) = measure(["outputs/a-s0", "outputs/a-s0-2"])
    assert told(folder)["members"] == ["a-s0", "a-s0-2"]
    assert len(list(measure("outputs/a-s0*", each=True))) == 2
    with pytest.raises(FerlabError, match="not measured, for the reasons above: outputs/a-s0, outputs/a-s0-2;"):
        list(measure(["outputs/a-s*", "outputs/b-s2"], split="test", each=True))
    list(measure("outputs/a-s0-2", split="test", each=True))
    assert [e["runs"] for e in looks()] == [["a-s1"], ["b-s2"], ["a-s0-2"]]
    measure("outputs/ensembles/a-s0__a-s0-2", "flip")


def test_other_data_are_measured_beside_a_runs_own(made, monkeypatch):
    (own,) = measure("outputs/a-s0")
    before = contents()
    others = faces_of(9)
    monkeypatch.setattr(split, "open_config", lambda data: others)
    wild = {"name": "wild", "root": "data", "sources": [{"layout": "class_folders"}]}
    (folder,) = measure("outputs/a-s0", data=wild)
    assert folder == Path("outputs/a-s0/elsewhere/wild-val-none")
    assert {path: kept for path, kept in contents().items() if path in before} == before
    report = told(folder)
    expected = predict(made[Path("outputs/a-s0")].predictor(), others.of_split("val").pixels).argmax(1)
    assert report["correct"] == (expected == others.of_split("val").labels).sum()
    assert (report["data"], report["label_system"], report["trained_label_system"]) == ("wild", "wild", "fer2013")
    assert told(own)["label_system"] == told(own)["trained_label_system"] == "fer2013"
    (test,) = measure("outputs/a-s0", split="test", data=wild)
    assert test.name == "wild-test-none"
    assert [(look["data"], look["split"]) for look in looks()] == [("wild", "test")]
