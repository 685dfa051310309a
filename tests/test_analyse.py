"""Errors sorted by what else is known of their faces, on votes and twins that are known beforehand."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from ferlab.data.faces import Faces, hard_targets
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, FERPLUS_COLUMNS
from ferlab.studies import mistakes, second_opinion
from tests.conftest import made_faces, made_study
from tests.test_conf import composed

CONFIG = composed(config="analyse") | {"shown": 3}
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
    group, said = second_opinion.ferplus(happy_faces(7), write_votes(tmp_path / "v.csv", rows))
    names = [second_opinion.GROUPS[g] for g in group]
    assert names == ["agrees", "disputes", "no majority", "not a face", "not rated", "disputes", "not a face"]
    assert said.tolist() == [HAPPY, NEUTRAL, -1, -1, -1, -1, -1]
    rows[2] = ("Training", *rows[2][1:])
    with pytest.raises(FerlabError, match="is not of these faces"):
        second_opinion.ferplus(happy_faces(7), write_votes(tmp_path / "v.csv", rows))


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


def test_errors_are_sorted_and_written(tmp_path):
    study = made_study(tmp_path, mistakes.KIND)
    predicted = study.probabilities(study.faces.pixels, 64).argmax(1)
    labels = study.faces.labels
    rows = [("PublicTest", 1, {"neutral": 10})] * 400
    (tmp_path / "fer2013").mkdir()
    write_votes(tmp_path / "fer2013" / "fer2013new.csv", rows)
    data = {"root": str(tmp_path), "sources": [{"name": "fer2013", "layout": "fer2013", "path": "fer2013"}]}
    run = SimpleNamespace(config={"data": data}, faces=lambda: study.faces)
    study = made_study(tmp_path, mistakes.KIND, members=[run])
    found = mistakes.analyse(study, CONFIG)
    p = study.probabilities(study.faces.pixels, 64)
    gap = [sorted(row)[-1] - sorted(row)[-2] for row in p]
    assert found["ambiguous"]["n"] == sum(g <= 0.1 for g in gap)
    assert found["ambiguous"]["n"] + found["clear"]["n"] == len(labels)
    assert found["ferplus"]["agrees"]["n"] == (labels == NEUTRAL).sum()
    assert found["ferplus"]["disputes"]["correct"] == ((labels != NEUTRAL) & (predicted == labels)).sum()
    assert len(found["label_issues"]) == ((labels != NEUTRAL) & (predicted == NEUTRAL)).sum()
    assert found["contradictory_twins"]["n"] == 0
    written = json.loads((study.folder / "analysis.json").read_text())
    assert written["ferplus"] == found["ferplus"]
    page = (study.folder / "index.html").read_text()
    assert all(title in page for title in ("Ambiguous faces", "FER+ as a second opinion", "Doubtful labels"))


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


def test_without_votes_the_rest_is_told(tmp_path, caplog):
    data = {"root": str(tmp_path), "sources": [{"name": "fer2013", "layout": "fer2013", "path": "fer2013"}]}
    one = made_faces(seed=3).of_split("val").take(np.array([0]))
    run = SimpleNamespace(config={"data": data}, faces=lambda: one)
    study = made_study(tmp_path, mistakes.KIND, members=[run], faces=one)
    with caplog.at_level("INFO"):
        found = mistakes.analyse(study, CONFIG)
    assert found["ferplus"] is None
    assert "FER+ as a second opinion is left out" in caplog.text
    assert found["ambiguous"]["n"] + found["clear"]["n"] == 1
    with pytest.raises(FerlabError, match="ambiguous_gap is 10; expected a ratio"):
        mistakes.analyse(study, CONFIG | {"ambiguous_gap": 10})
