"""FER+'s votes, joined with the rows of fer2013.csv."""

import csv

import numpy as np
import pytest

from ferlab.data import sources
from ferlab.errors import FerlabError
from ferlab.expressions import FERPLUS_COLUMNS
from tests.data.sources.raw import USAGES, made, rows_of, save, write


def write_votes(path, splits, votes, names=None):
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["Usage", "Image name", *FERPLUS_COLUMNS])
        for i, (s, v) in enumerate(zip(splits, votes, strict=True)):
            out.writerow([USAGES[s], f"fer{i:07d}.png" if names is None else names[i], *v])


@pytest.fixture
def rated(tmp_path):
    data = made(6)
    write(tmp_path / "fer2013.csv", rows_of(*data))
    #          neu hap sur sad ang dis fea con unk NF
    votes = [[4, 0, 0, 1, 3, 2, 0, 0, 0, 0], [0, 10, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]]
    votes += [[0, 0, 6, 0, 0, 0, 0, 3, 1, 0], [0, 0, 0, 0, 0, 0, 4, 6, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]]
    names = ["a.png", "b.png", "c.png", "d.png", "e.png", ""]
    write_votes(tmp_path / "fer2013new.csv", data[2], votes, names)
    return tmp_path, data, votes


def test_votes_become_a_distribution(rated):
    path, (pixels, labels, splits), _ = rated
    faces = sources.read("ferplus", path)
    assert faces.row.tolist() == [0, 1, 3, 4, 5]  # row 2 has no vote for an expression; row 5 keeps FER2013's label
    #              angry disgust fear happy sad surprise neutral
    expected = [[0.3, 0.2, 0, 0, 0.1, 0, 0.4], [0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1, 0], [0, 0, 1, 0, 0, 0, 0]]
    assert np.allclose(faces.targets[:4], expected)
    assert faces.targets[4].tolist() == np.eye(7)[labels[5]].tolist()
    assert np.array_equal(faces.pixels.reshape(5, -1), pixels[faces.row])
    assert np.array_equal(faces.split, splits[faces.row])
    assert sources.read("ferplus", path, unnamed="drop").row.tolist() == [0, 1, 3, 4]


def test_votes_become_a_majority(rated):
    faces = sources.read("ferplus", rated[0], targets="majority", unnamed="drop")
    assert faces.row.tolist() == [1, 3]
    assert faces.labels.tolist() == [3, 5]
    assert set(np.unique(faces.targets)) == {0.0, 1.0}


def test_val_and_test_have_the_majority_whatever_training_has(tmp_path, caplog):
    data = made(6)
    splits = np.array([0, 0, 1, 2, 1, 0])
    write(tmp_path / "fer2013.csv", rows_of(*data[:2], splits))
    #         neu hap sur sad ang dis fea con unk NF
    split = [5, 0, 0, 0, 5, 0, 0, 0, 0, 0]
    votes = [split, [0, 10, 0, 0, 0, 0, 0, 0, 0, 0], split, [6, 0, 0, 4, 0, 0, 0, 0, 0, 0]]
    votes += [[0, 0, 0, 0, 0, 0, 0, 7, 3, 0], [0, 0, 0, 0, 0, 0, 0, 0, 8, 2]]
    write_votes(tmp_path / "fer2013new.csv", splits, votes)
    caplog.set_level("INFO")
    faces = sources.read("ferplus", tmp_path, targets="probability", evaluated="majority", unnamed="drop")
    assert faces.row.tolist() == [0, 1, 3]
    assert faces.targets[0].tolist() == [0.5, 0, 0, 0, 0, 0, 0.5]  # training
    assert faces.targets[2].tolist() == np.eye(7)[6].tolist()  # test
    why = "left out 3 faces without usable votes: 1 contempt, 1 unknown or no face, 1 disputed, 0 that FER+ has not"
    assert why in caplog.text


def test_votes_are_joined_by_row_of_the_csv(rated):
    path = rated[0]
    lines = (path / "fer2013.csv").read_text().splitlines()
    lines[1] = "0,1 2,Training"
    (path / "fer2013.csv").write_text("\n".join(lines))
    faces = sources.read("ferplus", path, strict=False)
    assert faces.row.tolist() == [1, 3, 4, 5]
    assert faces.targets[0, 3] == 1


def agreeing(labels, share, seed=0):
    """Votes of ten for a face's label in this share of the faces, for another expression in the others."""
    rng = np.random.default_rng(seed)
    shown = np.where(rng.random(len(labels)) < share, labels, (labels + rng.integers(1, 7, len(labels))) % 7)
    columns = [4, 5, 6, 1, 3, 2, 0]  # of FER2013's expressions in fer2013new.csv
    return [[10 * (column == columns[k]) for column in range(10)] for k in shown]


@pytest.mark.parametrize(
    ("order", "lines"),
    [
        (np.arange(600), None),
        (np.random.default_rng(1).permutation(600), r"lines \d+ to \d+: "),
        (np.r_[:150, 151:600, 150], "lines 202 to 401: "),  # one row moved to the end: all after it are its neighbour's
        (np.r_[:400, 400 + np.random.default_rng(1).permutation(200)], "lines 402 to 601: "),
    ],
    ids=["published", "shuffled", "shifted", "shuffled in part"],
)
def test_votes_of_other_faces_are_refused_though_number_and_usage_agree(tmp_path, order, lines):
    pixels, labels, _ = made(600)
    splits = np.zeros(600, int)
    write(tmp_path / "fer2013.csv", rows_of(pixels[order], labels[order], splits))
    write_votes(tmp_path / "fer2013new.csv", splits, agreeing(labels, 0.8))
    if lines is None:
        assert len(sources.read("ferplus", tmp_path)) == 600
        return
    with pytest.raises(FerlabError, match=rf"fer2013new\.csv, {lines}.*expected 50% at least"):
        sources.read("ferplus", tmp_path)


def test_votes_that_do_not_fit(rated):
    path, data, votes = rated
    for options in ({"targets": "soft"}, {"unnamed": "maybe"}, {"evaluated": "never"}):
        with pytest.raises(FerlabError, match="choose"):
            sources.read("ferplus", path, **options)
    write_votes(path / "fer2013new.csv", (data[2] + np.array([0, 0, 1, 0, 0, 0])) % 3, votes)
    with pytest.raises(FerlabError, match=r"fer2013new\.csv, line 4: another Usage"):
        sources.read("ferplus", path)
    write_votes(path / "fer2013new.csv", data[2][:5], votes[:5])
    with pytest.raises(FerlabError, match="has 5 rows"):
        sources.read("ferplus", path)
    write_votes(path / "fer2013new.csv", data[2], [["x"] * 10] * 6)
    with pytest.raises(FerlabError, match=r"fer2013new\.csv, line 2: "):
        sources.read("ferplus", path)
    (path / "fer2013new.csv").write_text("Usage,neutral\n")
    with pytest.raises(FerlabError, match="no column Image name, happiness"):
        sources.read("ferplus", path)
    (path / "fer2013new.csv").unlink()
    with pytest.raises(FerlabError, match=r"no .*fer2013new\.csv.*microsoft"):
        sources.read("ferplus", path)


def test_the_folders_that_ferplus_own_program_writes(rated, caplog):
    """FER2013Train/fer0000000.png and the others beside label.csv: image, box and votes, without a header."""
    path, (pixels, labels, _), votes = rated
    splits = [0, 1, 0, 2, 0, 0]
    write(path / "fer2013.csv", rows_of(pixels, labels, splits))
    write_votes(path / "fer2013new.csv", splits, votes, [*"abcde", ""])
    for i, (face, split, counts) in enumerate(zip(pixels, splits, votes, strict=True)):
        folder = path / "folders" / ("FER2013Train", "FER2013Valid", "FER2013Test")[split]
        save(folder / f"fer{i:07d}.png", face.reshape(48, 48))
        with (folder / "label.csv").open("a", newline="") as file:
            csv.writer(file).writerow([f"fer{i:07d}.png", "(0, 0, 48, 48)", *counts])
    for options in ({}, {"targets": "majority"}, {"targets": "probability", "evaluated": "majority"}):
        faces = sources.read("ferplus", path / "folders", **options)
        expected = sources.read("ferplus", path, unnamed="drop", **options)
        order = [int(faces.origin(i)[-11:-4]) for i in range(len(faces))]
        assert sorted(order) == expected.row.tolist()
        place = [expected.row.tolist().index(row) for row in order]
        for name in ("pixels", "targets", "split"):
            assert np.array_equal(getattr(faces, name), getattr(expected, name)[place])
    assert "none of its faces" not in caplog.text
    assert len(sources.raw_files("ferplus", path / "folders")) == 6 + 3
    for damage in (b"fer0000000.png,(0, 0, 48, 48),1,2\n", b"one\n", b"\xa5\xa5\n", b'"'):
        (folder / "label.csv").write_bytes(damage)
        with pytest.raises(FerlabError, match=r"label\.csv, line 1: expected an image, a box and ten counts"):
            sources.read("ferplus", path / "folders")
