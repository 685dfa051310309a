"""JAFFE by the names of its files."""

from pathlib import Path

import pytest
from PIL import Image

from ferlab.data import sources
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from tests.data.sources.raw import noise, picture, save


def test_jaffe(tmp_path):
    codes = {
        "AN": "angry",
        "DI": "disgust",
        "FE": "fear",
        "HA": "happy",
        "NE": "neutral",
        "SA": "sad",
        "SU": "surprise",
    }
    people = ["KA", "KL", "KM", "KR", "MK"]
    for p, person in enumerate(people):
        for c, code in enumerate(codes):
            image = Image.fromarray(picture(256, 256, seed=10 * p + c))
            save(tmp_path / "jaffe" / f"{person}.{code}1.{p * 7 + c}.tiff", image)
    (tmp_path / "jaffe" / "README_FIRST.txt").write_text("read me")
    (tmp_path / "jaffe" / ".DS_Store").write_text("junk")
    faces = sources.read("jaffe", tmp_path)
    assert len(faces) == 35
    for i in range(35):
        person, code, *_ = Path(faces.origin(i)).name.split(".")
        assert EXPRESSIONS[faces.labels[i]] == codes[code[:2]]
        assert faces.subject[i] == people.index(person)
    split_of = [set(faces.split[faces.subject == s]) for s in range(5)]
    assert all(len(s) == 1 for s in split_of)
    assert set.union(*split_of) == {0, 1, 2}
    save(tmp_path / "jaffe" / "KA.XX1.99.tiff", noise(0))
    with pytest.raises(FerlabError, match=r"KA\.XX1\.99\.tiff: XX is no expression"):
        sources.read("jaffe", tmp_path)
    (tmp_path / "jaffe" / "KA.XX1.99.tiff").rename(tmp_path / "jaffe" / "me.tiff")
    with pytest.raises(FerlabError, match=r"me\.tiff: expected a name like KA\.AN1\.39\.tiff"):
        sources.read("jaffe", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FerlabError, match="holds no JAFFE image"):
        sources.read("jaffe", tmp_path / "empty")
