"""Errors sorted by what else is known of their faces, on votes that are known beforehand."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.studies import mistakes
from ferlab.studies.kinds import KINDS
from tests.composing import composed
from tests.conftest import made_faces, made_study
from tests.studies.test_second_opinion import write_votes

CONFIG = composed(command="analyse") | {"shown": 3}
NEUTRAL = EXPRESSIONS.index("neutral")


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
    assert found.ambiguous.n == sum(g <= 0.1 for g in gap)
    assert found.ambiguous.n + found.clear.n == len(labels)
    assert found.ferplus["agrees"].n == (labels == NEUTRAL).sum()
    assert found.ferplus["disputes"].correct == ((labels != NEUTRAL) & (predicted == labels)).sum()
    assert len(found.label_issues) == ((labels != NEUTRAL) & (predicted == NEUTRAL)).sum()
    assert found.contradictory_twins.n == 0
    written = json.loads((study.folder / "analysis.json").read_text())
    assert KINDS[mistakes.KIND].read(written, "analysis.json") == found
    page = (study.folder / "index.html").read_text()
    assert all(title in page for title in ("Ambiguous faces", "FER+ as a second opinion", "Doubtful labels"))


def test_without_votes_the_rest_is_measured(tmp_path, caplog):
    data = {"root": str(tmp_path), "sources": [{"name": "fer2013", "layout": "fer2013", "path": "fer2013"}]}
    one = made_faces(seed=3).of_split("val").take(np.array([0]))
    run = SimpleNamespace(config={"data": data}, faces=lambda: one)
    study = made_study(tmp_path, mistakes.KIND, members=[run], faces=one)
    with caplog.at_level("INFO"):
        found = mistakes.analyse(study, CONFIG)
    assert found.ferplus is None
    assert "FER+ as a second opinion is left out" in caplog.text
    assert found.ambiguous.n + found.clear.n == 1
    with pytest.raises(FerlabError, match="ambiguous_gap is 10; expected a ratio"):
        mistakes.analyse(study, CONFIG | {"ambiguous_gap": 10})
