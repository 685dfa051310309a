"""The faces of a split: shared by several runs, opened once, with the twins of any run's training faces."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from ferlab.errors import FerlabError
from ferlab.runs import split
from ferlab.runs.directory import Run
from tests.conftest import made_faces


@pytest.fixture
def runs(monkeypatch):
    """Three runs, of which two share their data; the third has other val faces."""
    known = {"one": made_faces(20, 8, 6), "other": made_faces(20, 8, 6, seed=1)}
    known["one"].pixels[20] = known["one"].pixels[3]  # the first val face stands in training too
    opened = []
    monkeypatch.setattr(Run, "faces", lambda run: opened.append(run.name) or known[run.config["data"]["name"]])
    named = (("a", "one"), ("b", "one"), ("c", "other"))
    data = {"layout": "fer2013"}
    return [Run(Path(name), {"data": {"name": of, "sources": [data]}}, {}) for name, of in named], opened


def test_shared_faces_are_opened_once_with_their_twins_and_checksum(runs):
    (a, b, _), opened = runs
    found = split.Splits("val").shared([a, b])
    assert opened == ["a"]
    assert found.twins.tolist() == [True] + [False] * 7
    own = made_faces(20, 8, 6).of_split("val")
    np.testing.assert_array_equal(found.faces.labels, own.labels)
    pixels = found.faces.pixels
    assert found.sha256 == hashlib.sha256(pixels.tobytes() + found.faces.labels.tobytes()).hexdigest()


def test_runs_with_other_faces_or_none_are_refused(runs):
    (a, _, c), _ = runs
    with pytest.raises(FerlabError, match=r"a and c have different val faces .*members of the same main data"):
        split.Splits("val").shared([a, c])
    with pytest.raises(FerlabError, match="split is 'train'; choose val or test"):
        split.Splits("train")


def test_other_data_count_twins_of_every_runs_training_faces(runs, monkeypatch):
    (a, _, c), _ = runs
    faces = made_faces(4, 8, 6, seed=2)
    faces.pixels[4], faces.pixels[5] = a.faces().pixels[0], c.faces().pixels[1]
    monkeypatch.setattr(split, "open_config", lambda data: faces)
    found = split.Splits("val").of_data({"name": "others"}, [a, c])
    assert np.flatnonzero(found.twins).tolist() == [0, 1]
    monkeypatch.setattr(split, "open_config", lambda data: made_faces(4, 0, 6))
    with pytest.raises(FerlabError, match="data=others has no val faces"):
        split.Splits("val").of_data({"name": "others"}, [a])


def test_runs_for_different_labels_are_not_one_predictor(runs):
    (a, b, _), _ = runs
    b.config["data"] |= {"sources": [{"layout": "ferplus"}]}
    split.refuse_mixed([a])
    with pytest.raises(FerlabError, match=r"different labels \(a for fer2013, b for ferplus\)"):
        split.Splits("val").of_data({"name": "others"}, [a, b])


def test_training_faces_that_are_elsewhere_are_known_to_be_none_only_where_they_may_be(runs, monkeypatch, caplog):
    (a, *_), _ = runs
    faces = made_faces(4, 8, 6)
    monkeypatch.setattr(split, "open_config", lambda data: faces)

    def gone(run):
        raise FerlabError("no fer2013.csv")

    monkeypatch.setattr(Run, "faces", gone)
    with pytest.raises(FerlabError, match=r"no fer2013\.csv"):
        split.Splits("val").of_data({"name": "others"}, [a])
    found = split.Splits("val").of_data({"name": "others"}, [a], needed=False)
    assert not found.twins.any()
    assert "its training faces are not here" in caplog.text
