"""What is typed as files, and pictures in batches."""

import numpy as np
import pytest
from PIL import Image

from ferlab.errors import FerlabError
from ferlab.inference import inputs


@pytest.fixture
def folder(tmp_path):
    for k, name in enumerate(("a.png", "b.jpg", "deep/c.webp", "clip.mp4", "notes.txt")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if name.endswith(("mp4", "txt")):
            (tmp_path / name).touch()
        else:
            Image.new("RGB", (4 + k, 3)).save(tmp_path / name)
    return tmp_path


def test_files_folders_and_patterns_are_found_each_once(folder):
    everything = [folder / name for name in ("a.png", "b.jpg", "clip.mp4", "deep/c.webp")]
    assert inputs.find([str(folder)]) == (everything, [])
    typed = [str(folder / "b.jpg"), str(folder / "**" / "*.*"), str(folder / "notes.txt")]
    found, missing = inputs.find(typed)
    assert found[0] == folder / "b.jpg"
    assert sorted(found) == sorted([*everything, folder / "notes.txt"])
    assert missing == []
    assert [path.name for path in filter(inputs.is_video, found)] == ["clip.mp4"]


def test_what_is_not_there_does_not_hide_the_rest(folder):
    (folder / "empty").mkdir()
    found, missing = inputs.find([str(folder / "gone*.png"), str(folder / "empty"), str(folder / "a.png")])
    assert found == [folder / "a.png"]
    assert [word for word, _ in missing] == [str(folder / "gone*.png"), str(folder / "empty")]
    assert "is not there; expected a file, a folder or a pattern" in str(missing[0][1])
    assert "has no images or videos" in str(missing[1][1])


def test_pictures_come_in_batches_in_order_with_the_errors_of_bad_ones(folder, monkeypatch):
    paths = [folder / name for name in ("a.png", "notes.txt", "b.jpg", "deep/c.webp")] * 6
    batches = list(inputs.read(paths))
    assert [len(batch) for batch in batches] == [16, 8]
    flat = [pair for batch in batches for pair in batch]
    assert [path for path, _ in flat] == paths
    for path, image in flat:
        assert isinstance(image, FerlabError) == (path.name == "notes.txt")
    assert [image.shape for _, image in flat[:3] if isinstance(image, np.ndarray)] == [(3, 4, 3), (3, 5, 3)]
    monkeypatch.setattr(inputs, "_PIXELS", 12)
    assert [len(batch) for batch in inputs.read(paths)] == [4] * 6
    assert list(inputs.read([])) == []
