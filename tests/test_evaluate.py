"""The command over runs with tiny nets and made faces: what is written where, what is refused, what is counted."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from ferlab import cli, evaluate, runs
from ferlab.data.faces import Faces, hard_targets
from ferlab.errors import FerlabError
from ferlab.predictors import VIEWS, Ensemble, Model, TestTimeAugmentation, predict


def faces_of(seed=0, n=60):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (n, 48, 48), dtype=np.uint8)
    split = np.repeat(np.array([0, 1, 2], np.uint8), n // 3)
    pixels[n // 3] = pixels[0]  # one val face and two test faces also stand in training
    pixels[-2:] = pixels[1:3]
    order = np.arange(n, dtype=np.int32)
    return Faces(pixels, hard_targets(rng.integers(0, 7, n)), split, np.full(n, -1, np.int32), order)


@dataclass
class FakeRun:
    path: Path
    seed: int = 0
    data: str = "fer2013"

    @property
    def name(self):
        return self.path.name

    @property
    def config(self):
        return {"model": {"name": "linear"}, "data": {"name": self.data}}

    @property
    def info(self):
        told = {"model": "linear", "class_weights": "none", "parameters": 16135, "best_epoch": 3, "commit": "c0ffee"}
        return {**told, "seed": self.seed, "data": self.data}

    @property
    def weights_sha256(self):
        return hashlib.sha256(self.name.encode()).hexdigest()

    def predictor(self):
        torch.manual_seed(self.seed)
        return Model(_Scale(), nn.Sequential(nn.Flatten(), nn.Linear(48 * 48, 7))).eval()

    def faces(self):
        return faces_of(int(self.data.removeprefix("fer2013").removeprefix("drawn") or 0))

    def metrics_rows(self):
        return [{"epoch": "0", "val/loss": "1.5"}, {"epoch": "1", "val/loss": "1.2"}]


class _Scale(nn.Module):
    def forward(self, faces):
        return faces.float() / 255


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Three runs of one data set and one of another in outputs/, the page left out: test_report has it."""
    monkeypatch.chdir(tmp_path)
    known = {}
    for name, seed, data in (("a-s0", 0, ""), ("a-s1", 1, ""), ("b-s2", 2, ""), ("other", 0, "drawn7")):
        path = Path("outputs") / name
        path.mkdir(parents=True)
        (path / "config.yaml").touch()
        known[path] = FakeRun(path, seed, data or "fer2013")
    monkeypatch.setattr(runs, "load", lambda path: known[Path(path)])
    monkeypatch.setattr("ferlab.report_page.write", lambda folder, *_: folder / "index.html")
    return known


def told(folder):
    return json.loads((folder / "report.json").read_text())


def test_one_run_is_measured_beside_its_weights(made):
    (folder,) = evaluate.evaluate("outputs/a-s0", "flip")
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
    (folder,) = evaluate.evaluate("outputs/*-s*")
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
    assert evaluate.evaluate(str(folder.parents[1]), "flip") == [folder.parent / "val-flip"]
    assert told(folder.parent / "val-flip")["members"] == report["members"]


def test_several_sets_of_views_ask_the_net_once_per_view(made, monkeypatch):
    seen = []
    scale = _Scale.forward
    monkeypatch.setattr(_Scale, "forward", lambda self, faces: seen.append(len(faces)) or scale(self, faces))
    folders = evaluate.evaluate("outputs/a-s0", ["none", "flip", "views8", "flip"])
    assert [f.name for f in folders] == ["val-none", "val-flip", "val-views8"]
    assert sum(seen) == 8 * 20
    run = made[Path("outputs/a-s0")]
    for folder in folders:
        views = VIEWS[told(folder)["tta"]]
        expected = predict(TestTimeAugmentation(run.predictor(), views), run.faces().of_split("val").pixels)
        np.testing.assert_allclose(np.load(folder / "probabilities.npy"), expected, atol=1e-3)
        assert told(folder)["views"] == json.loads(json.dumps(views))


def test_a_look_at_test_is_one_line_in_the_ledger(made):
    folders = evaluate.evaluate("outputs/a-s0", ["none", "flip"], "test")
    assert [f.name for f in folders] == ["test-none", "test-flip"]
    evaluate.evaluate("outputs/a-s0", "none", "test")
    evaluate.evaluate(["outputs/a-s0", "outputs/a-s1"], "none", "test")
    looks = [json.loads(line) for line in Path("outputs/ledger.jsonl").read_text().splitlines()]
    assert [(e["runs"], e["tta"]) for e in looks] == [
        (["a-s0"], ["none", "flip"]),
        (["a-s0"], ["none"]),
        (["a-s0", "a-s1"], ["none"]),
    ]
    assert [(e["looks_before"], e["looks_before_at_data"]) for e in looks] == [(0, 0), (1, 1), (0, 2)]
    assert told(folders[1])["looks_before"] == 0
    assert told(Path("outputs/a-s0/reports/test-none"))["looks_before"] == 1
    assert told(folders[0])["without_train_twins"]["n"] == 18


def test_members_measured_on_different_faces_are_refused_before_the_look(made):
    with pytest.raises(FerlabError, match=r"a-s0 and other have different test faces"):
        evaluate.evaluate(["outputs/a-s0", "outputs/other"], split="test")
    assert not Path("outputs/ledger.jsonl").exists()
    assert not Path("outputs/ensembles").exists()


def test_a_name_too_long_ends_in_a_mark_of_its_members(made):
    def folder(names):
        return evaluate._folder([FakeRun(Path("outputs") / n) for n in names], Path("outputs"))[1]

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
        ({"tta": "views9"}, "'views9'; choose none, flip, views8 or views12"),
        ({"tta": []}, "tta is empty; choose from none, flip"),
        ({"split": "train"}, "split is 'train'; choose val or test"),
        ({"device": "gpu"}, "device is 'gpu'; choose auto, cpu or cuda"),
        ({"patterns": None}, "type runs=outputs/NAME"),
        ({"patterns": []}, "type runs=outputs/NAME"),
        ({"patterns": "outputs/none*"}, "outputs/a-s0, outputs/a-s1"),
    ],
)
def test_wrong_values_are_refused_with_the_choices(made, arguments, message):
    with pytest.raises(FerlabError, match=message):
        evaluate.evaluate(**{"patterns": "outputs/a-s0", **arguments})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_named(made):
    with pytest.raises(FerlabError, match="type device=cpu"):
        evaluate.evaluate("outputs/a-s0", device="cuda")


def test_a_split_without_faces_is_named(made, monkeypatch):
    monkeypatch.setattr(FakeRun, "faces", lambda self: faces_of().take(np.arange(40)))
    with pytest.raises(FerlabError, match="a-s0 has no test faces"):
        evaluate.evaluate("outputs/a-s0", split="test")


def _main(*typed):
    """The command's task on conf/evaluate.yaml with `typed` over it, without Hydra's own argument parsing."""
    conf = OmegaConf.load(Path(cli.CONF) / "evaluate.yaml")
    conf.pop("hydra")
    evaluate.main.__wrapped__(OmegaConf.merge(conf, OmegaConf.from_dotlist(list(typed))))


def test_the_command_prints_the_headline_and_where_the_page_is(made, capsys):
    _main("runs=outputs/a-s0", "tta=[none,flip]", "split=test")
    said = capsys.readouterr().out
    assert "a-s0 PrivateTest, none:" in said
    assert "95 % interval" in said
    assert "0 by these weights, 0 by anything" in said
    assert "outputs/a-s0/reports/test-flip/index.html" in said
    assert Path("outputs/ledger.jsonl").is_file()
    _main("runs=outputs/other")
    assert "other validation, none:" in capsys.readouterr().out
