"""CK+ as CMU distributes it, and as CK+48."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferlab.data import sources
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from tests.data.sources.raw import noise, save


def cmu(root, subjects=6):
    """Subject s shows emotion values s and s + 1 in two sequences of five frames; the third has no Emotion file."""
    for s in range(1, subjects + 1):
        for q in (1, 2, 3):
            stem, folder = f"S{s:03d}_{q:03d}", f"S{s:03d}/{q:03d}"
            for f in range(1, 6):
                save(root / "cohn-kanade-images" / folder / f"{stem}_{f:08d}.png", noise(1000 * s + 10 * q + f))
            (root / "Emotion" / folder).mkdir(parents=True)
            if q < 3:
                value = (s + q - 1) % 8
                (root / "Emotion" / folder / f"{stem}_00000005_emotion.txt").write_text(f"   {value:.7e}\n")
    return root


def test_ck_plus_as_cmu_has_it(tmp_path, caplog):
    (tmp_path / "deeper").mkdir()
    with caplog.at_level("INFO"):
        faces = sources.read("ck_plus", cmu(tmp_path / "deeper"))
    names = ("neutral", "angry", None, "disgust", "fear", "happy", "sad", "surprise")
    found, people = {}, set()
    for i in range(len(faces)):
        s, q, f = (int(part.lstrip("S")) for part in Path(faces.origin(i)).stem.split("_"))
        found.setdefault((s, q), []).append((f, EXPRESSIONS[faces.labels[i]]))
        people.add((s, int(faces.subject[i])))
        assert np.array_equal(faces.pixels[i], noise(1000 * s + 10 * q + f))
    expected = {}
    for s in range(1, 7):
        for q in (1, 2):
            if name := names[(s + q - 1) % 8]:
                expected[s, q] = [(1, "neutral"), (3, name), (4, name), (5, name)]
    assert found == expected
    assert sorted(people) == [(s, s - 1) for s in range(1, 7)]
    assert "6 sequences without Emotion file" in caplog.text
    assert "2 sequences of contempt" in caplog.text


def test_no_subject_stands_in_two_splits(tmp_path):
    faces = sources.read("ck_plus", cmu(tmp_path, subjects=12))
    for subject in np.unique(faces.subject):
        assert len(np.unique(faces.split[faces.subject == subject])) == 1
    assert set(faces.split) == {0, 1, 2}
    other = sources.read("ck_plus", tmp_path, seed=5)
    assert not np.array_equal(faces.split, other.split)
    assert not sources.read("ck_plus", tmp_path, split="train").split.any()


def test_ck_plus_frames_are_cut_to_the_face(tmp_path):
    cmu(tmp_path)
    frame = np.zeros((490, 640), np.uint8)
    frame[100:300, 200:400] = 255
    for file in tmp_path.rglob("S001_001_*.png"):
        save(file, frame)
    path = tmp_path / "Landmarks" / "S001" / "001" / "S001_001_00000001_landmarks.txt"
    path.parent.mkdir(parents=True)
    path.write_text("  2.6e+02  1.6e+02\n  3.4e+02  2.4e+02\n")
    faces = sources.read("ck_plus", tmp_path)
    of = {Path(faces.origin(i)).name: faces.pixels[i] for i in range(len(faces))}
    assert of["S001_001_00000001.png"].min() == 255  # within the landmarks
    centre = Image.fromarray(frame[:, 75:565]).resize((48, 48), Image.Resampling.BILINEAR)
    assert np.array_equal(of["S001_001_00000005.png"], centre)
    path.write_text("what?")
    with pytest.raises(FerlabError, match="S001_001_00000001_landmarks"):
        sources.read("ck_plus", tmp_path)


@pytest.mark.parametrize("text", ["", "8", "1.5", "happy", "-1", "nan"])
def test_a_bad_emotion_file_is_named(tmp_path, text):
    cmu(tmp_path)
    (tmp_path / "Emotion/S002/001/S002_001_00000005_emotion.txt").write_text(text)
    with pytest.raises(FerlabError, match=r"S002_001_00000005_emotion\.txt.*0 to 7"):
        sources.read("ck_plus", tmp_path)


def test_ck_plus_without_emotion_or_images(tmp_path):
    cmu(tmp_path)
    shutil.rmtree(tmp_path / "Emotion")
    with pytest.raises(FerlabError, match="unpack Emotion too"):
        sources.read("ck_plus", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FerlabError, match=r"holds no CK\+ image"):
        sources.read("ck_plus", tmp_path / "empty")


def test_ck48_folders_in_any_order_and_case(tmp_path):
    for s, name in enumerate(["Surprise", "anger", "CONTEMPT", "sadness", "Fear", "happy", "disgust"]):
        for t in range(3):
            save(tmp_path / "CK+48" / name / f"S{10 + (s + t) % 5:03d}_004_{t:08d}.png", noise(10 * s + t))
    faces = sources.read("ck_plus", tmp_path)
    assert len(faces) == 18
    people = set()
    for i in range(18):
        name = Path(faces.origin(i))
        assert EXPRESSIONS[faces.labels[i]][:3] == name.parts[-2][:3].lower()
        people.add((name.stem[:4], int(faces.subject[i])))
    assert len(people) == len(set(faces.subject.tolist())) == 5
    for subject in np.unique(faces.subject):
        assert len(np.unique(faces.split[faces.subject == subject])) == 1
    save(tmp_path / "CK+48" / "happy" / "me.png", noise(0))
    with pytest.raises(FerlabError, match=r"happy/me\.png: expected a name like S010_004_00000017\.png"):
        sources.read("ck_plus", tmp_path)
