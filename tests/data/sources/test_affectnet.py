"""AffectNet's annotation files, and its numbered folders."""

import numpy as np
import pytest

from ferlab.data import sources
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from tests.data.sources.raw import noise, save

ORDER = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", None)  # 0 to 7; the last is contempt


def annotated(root, kind=str):
    """Per split eight images, whose annotation also has valence, arousal and landmarks."""
    made = {}
    for split, name in enumerate(("train_set", "val_set")):
        for i in range(24 - 16 * split):
            made[f"{name}/images/{100 * i}.jpg"] = (i % 8, split, i)
            save(root / name / "images" / f"{100 * i}.jpg", np.full((224, 224, 3), 10 * i, np.uint8))
            (root / name / "annotations").mkdir(exist_ok=True)
            for what, value in (("exp", kind(i % 8)), ("val", "0.3"), ("aro", "-0.1"), ("lnd", np.zeros(136))):
                np.save(root / name / "annotations" / f"{100 * i}_{what}.npy", np.array(value))
    return made


@pytest.mark.parametrize("kind", [str, int])
def test_annotations_beside_images(tmp_path, caplog, kind):
    made = annotated(tmp_path / "AffectNet", kind)
    faces = sources.read("affectnet", tmp_path)
    assert len(faces) == 28
    for face, label, split, name in zip(faces.pixels, faces.labels, faces.split, faces.files, strict=True):
        number, of_folder, grey = made[name]
        assert EXPRESSIONS[label] == ORDER[number]
        assert abs(face.mean() - 10 * grey) <= 1
        assert (split == 1) == (of_folder == 1)
    assert [(faces.split == s).sum() for s in range(3)] == [19, 7, 2]
    assert "none of its faces" not in caplog.text
    annotation = tmp_path / "AffectNet/val_set/annotations/0_exp.npy"
    np.save(annotation, np.array([1, 2]))
    with pytest.raises(FerlabError, match=r"0_exp\.npy holds 2 values; expected the number of one expression"):
        sources.read("affectnet", tmp_path)
    annotation.unlink()
    with pytest.raises(FerlabError, match=r"0_exp\.npy cannot be read"):
        sources.read("affectnet", tmp_path)


def test_numbered_folders(tmp_path):
    for split, part in enumerate(("train", "val")):
        for number in range(8):
            for i in range(3):
                save(tmp_path / part / str(number) / f"{i}.png", noise(100 * split + 10 * number + i))
    faces = sources.read("affectnet", tmp_path)
    assert [EXPRESSIONS[k] for k in faces.labels] == [ORDER[int(name.split("/")[1])] for name in faces.files]
    assert [(faces.split == s).sum() for s in range(3)] == [19, 21, 2]
