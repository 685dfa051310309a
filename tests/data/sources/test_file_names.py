"""JAFFE, KDEF and RaFD by the names of their files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferlab.data import sources
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from tests.data.sources.raw import class_tree, noise, picture, save


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


KDEF = {"AF": "fear", "AN": "angry", "DI": "disgust", "HA": "happy", "NE": "neutral", "SA": "sad", "SU": "surprise"}


def kdef(root):
    """Two sessions of two women and two men, three of the five views; 562x762 pixels as published, but smaller."""
    made = {}
    for session in "AB":
        for person in ("F01", "F02", "M01", "M02"):
            for code, name in KDEF.items():
                for view in ("S", "FL", "HR"):
                    file = f"{session}{person}{code}{view}.JPG"
                    save(root / f"{session}{person}" / file, picture(76, 56, seed=len(made)))
                    made[f"{session}{person}/{file}"] = (person, name, view)
    return made


def test_kdef(tmp_path, caplog):
    made = kdef(tmp_path)
    faces = sources.read("kdef", tmp_path)
    assert sorted(faces.files) == sorted(name for name, (_, _, view) in made.items() if view == "S")
    assert "left out 112 files" in caplog.text
    whole = sources.read("kdef", tmp_path, views="all")
    assert sorted(whole.files) == sorted(made)
    for found in (faces, whole):
        facts = [made[found.origin(i)] for i in range(len(found))]
        assert [EXPRESSIONS[k] for k in found.labels] == [name for _, name, _ in facts]
        assert len({(person, n) for (person, *_), n in zip(facts, found.subject, strict=True)}) == 4
        assert len({(person, s) for (person, *_), s in zip(facts, found.split, strict=True)}) == 4
        assert set(found.split) == {0, 1, 2}
    centre = Image.fromarray(picture(76, 56, seed=list(made).index(faces.origin(0)))[10:66])
    assert abs(faces.pixels[0].astype(int) - centre.resize((48, 48), Image.Resampling.BILINEAR)).max() <= 6  # JPEG
    with pytest.raises(FerlabError, match="views is 'side'; choose frontal or all"):
        sources.read("kdef", tmp_path, views="side")
    save(tmp_path / "AF01XXS.JPG", noise(0))
    with pytest.raises(FerlabError, match=r"XX is no expression of KDEF; expected one of AF, AN, DI, HA, NE, SA, SU"):
        sources.read("kdef", tmp_path)


def test_rafd(tmp_path):
    names = ("angry", "contemptuous", "disgusted", "fearful", "happy", "neutral", "sad", "surprised")
    for person in ("01", "02", "61"):
        for i, name in enumerate(names):
            for angle in ("045", "090"):
                file = f"Rafd{angle}_{person}_Caucasian_female_{name}_frontal.jpg"
                save(tmp_path / file, np.full((68, 102), 25 * i + int(person) // 10, np.uint8))
    faces = sources.read("rafd", tmp_path)
    assert len(faces) == 3 * 7
    expected = {0: "angry", 2: "disgust", 3: "fear", 4: "happy", 5: "neutral", 6: "sad", 7: "surprise"}
    assert [EXPRESSIONS[k] for k in faces.labels] == [expected[round(float(f.mean())) // 25] for f in faces.pixels]
    assert all("Rafd090" in name for name in faces.files)
    assert len(sources.read("rafd", tmp_path, views="all")) == 42
    with pytest.raises(FerlabError, match=r"expected a name like Rafd090_01_Caucasian_female_angry_frontal\.jpg"):
        sources.read("rafd", class_tree(tmp_path / "other"))
