"""A second stage for a confused pair, kept if McNemar's test on val supports it."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from torch import nn

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.predictors import predictor
from ferlab.runs import directory
from ferlab.training import teacher
from tests.conftest import measure
from tests.ensembling.conftest import FACES, NETS, by_hand, choose, said

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
