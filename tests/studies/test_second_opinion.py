"""FER+'s votes and identical faces that are known beforehand."""

import numpy as np
import pytest

from ferlab.data.faces import Faces, hard_targets
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, FERPLUS_COLUMNS
from ferlab.studies import second_opinion
from tests.conftest import made_faces

HAPPY, SAD, NEUTRAL = (EXPRESSIONS.index(name) for name in ("happy", "sad", "neutral"))


def write_votes(path, rows):
    """Rows of (Usage, named, {column: votes})."""
    lines = ["Usage,Image name," + ",".join(FERPLUS_COLUMNS)]
    for usage, named, votes in rows:
        lines.append(",".join([usage, "fer.png" * named, *(str(votes.get(c, 0)) for c in FERPLUS_COLUMNS)]))
    path.write_text("\n".join(lines) + "\n")
    return path


def happy_faces(n):
    faces = made_faces(n_train=0, n_val=n, n_test=0)
    return Faces(faces.pixels, hard_targets(np.full(n, HAPPY)), faces.split, faces.subject, faces.row)


def test_ferplus_is_sorted_into_groups(tmp_path):
    rows = [
        ("PublicTest", 1, {"happiness": 8, "neutral": 2}),
        ("PublicTest", 1, {"neutral": 6, "happiness": 4}),
        ("PublicTest", 1, {"neutral": 5, "happiness": 5}),
        ("PublicTest", 1, {"NF": 9, "happiness": 1}),
        ("PublicTest", 0, {"happiness": 10}),
        ("PublicTest", 1, {"contempt": 7, "happiness": 3}),
        ("PublicTest", 0, {"NF": 10}),
    ]
    group, majority = second_opinion.ferplus(happy_faces(7), write_votes(tmp_path / "v.csv", rows))
    names = [second_opinion.GROUPS[g] for g in group]
    assert names == ["agrees", "disputes", "no majority", "not a face", "not rated", "disputes", "not a face"]
    assert majority.tolist() == [HAPPY, NEUTRAL, -1, -1, -1, -1, -1]
    rows[2] = ("Training", *rows[2][1:])
    with pytest.raises(FerlabError, match="is not of these faces"):
        second_opinion.ferplus(happy_faces(7), write_votes(tmp_path / "v.csv", rows))


def test_votes_of_other_faces_are_refused(tmp_path):
    rows = [("PublicTest", 1, {"sadness" if i % 5 else "happiness": 10}) for i in range(100)]
    with pytest.raises(FerlabError, match="lines 2 to 101: 20% of the majorities agree"):
        second_opinion.ferplus(happy_faces(100), write_votes(tmp_path / "v.csv", rows))


def test_twins_of_another_label_are_found_in_the_split_and_in_training_alone():
    faces = made_faces(n_train=7, n_val=7, n_test=7, seed=2)
    pixels, labels = faces.pixels.copy(), faces.labels
    pixels[8] = pixels[3]  # val and training, 1 and 3
    pixels[9] = pixels[16]  # val and test
    pixels[10] = pixels[3 + 7]
    pixels[12] = pixels[13]  # both in val, 5 and 6
    pixels[11] = pixels[4]  # the same label
    made = Faces(pixels, hard_targets(labels), faces.split, faces.subject, faces.row)
    assert second_opinion.twins_of_other_label(made, "val").tolist() == [-1, 3, -1, -1, -1, 6, 5]


def test_votes_are_found_where_auxiliary_faces_stand_beside_fer2013s(tmp_path):
    rows = [("Training", 1, {"neutral": 10}), ("PublicTest", 1, {"happiness": 10}), ("PublicTest", 1, {"sadness": 10})]
    path = write_votes(tmp_path / "v.csv", rows)
    faces = happy_faces(2)
    files = ["fer2013: row 0", "fer2013: row 1", "fer2013: row 2", "aux: happy/1.jpg"]
    joined = Faces(faces.pixels, faces.targets, faces.split, faces.subject, np.array([1, 2], np.int32), files)
    assert second_opinion.ferplus(joined, path)[1].tolist() == [HAPPY, SAD]
    of_files = Faces(faces.pixels, faces.targets, faces.split, faces.subject, np.array([1, 3], np.int32), files)
    with pytest.raises(FerlabError, match="is not of these faces"):
        second_opinion.ferplus(of_files, path)
