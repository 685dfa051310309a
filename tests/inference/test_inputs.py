"""What is typed as files, and pictures in batches."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferlab.errors import FerlabError
from ferlab.inference import inputs
from ferlab.inference.annotate import AnnotatedFolder


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
    assert inputs.find([str(folder)]) == (everything, [], [folder / "notes.txt"])
    found, missing, left_out = inputs.find([str(folder / "b.jpg"), str(folder / "**" / "*.*")])
    assert found[0] == folder / "b.jpg"
    assert sorted(found) == sorted([*everything, folder / "notes.txt"])
    assert missing == left_out == []
    assert inputs.find([str(folder), str(folder / "notes.txt")]) == ([*everything, folder / "notes.txt"], [], [])
    assert [path.name for path in filter(inputs.is_video, found)] == ["clip.mp4"]


def test_what_is_not_there_does_not_hide_the_rest(folder):
    (folder / "empty").mkdir()
    found, missing, _ = inputs.find([str(folder / "gone*.png"), str(folder / "empty"), str(folder / "a.png")])
    assert found == [folder / "a.png"]
    assert [word for word, _ in missing] == [str(folder / "gone*.png"), str(folder / "empty")]
    assert "is not there; expected a file, a folder or a pattern" in str(missing[0][1])
    assert "has no images or videos (it is empty)" in str(missing[1][1])
    (folder / "empty" / "a.txt").touch()
    assert "has no images or videos (left out 1 file (1 .txt))" in str(inputs.find([str(folder / "empty")])[1][0][1])


def test_two_spellings_of_a_path_are_one_file(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "link").symlink_to(folder / "deep")
    (folder / "other.png").symlink_to(folder / "a.png")
    typed = ["a.png", "./a.png", str(folder / "a.png"), "deep/../a.png", "link/c.webp", "deep", "other.png"]
    assert inputs.find(typed).files == [Path("a.png"), Path("link/c.webp"), Path("other.png")]


def test_what_annotated_wrote_is_no_input_again_unless_it_is_typed(folder):
    drawn = AnnotatedFolder(folder)
    for _ in range(2):
        drawn.save(folder / "a.png", np.zeros((4, 4, 3), np.uint8))
    drawn.place(folder / "clip.mp4", ".mp4").touch()
    (folder / "my.faces.png").touch()
    for typed in (str(folder), str(folder / "*")):
        found = inputs.find([typed])
        assert {"a.faces.jpg", "a-2.faces.jpg", "clip.faces.mp4"}.isdisjoint(path.name for path in found.files)
        assert "my.faces.png" in {path.name for path in found.files}
        assert "3 annotated before" in inputs.kinds_of(found.left_out)
    assert inputs.find([str(folder / "a.faces.jpg"), str(folder)]).files[0] == folder / "a.faces.jpg"


def test_a_folder_gives_all_that_pillow_and_opencv_read_and_counts_the_rest(tmp_path):
    names = [
        "a.jpe",
        "b.jp2",
        "c.MPO",
        "d.PNG",
        "e.tga",
        "f.MTS",
        "g.mpg",
        "h.HEIC",
        "i.heic",
        "j.pdf",
        "k",
        "l.eps",
        "m.h5",
    ]
    for name in [*names, ".hidden.jpg", "n.x1", "o.x2"]:
        (tmp_path / name).touch()
    found = inputs.find([str(tmp_path)])
    assert [path.name for path in found.files if path.suffix.lower() != ".heic"] == names[:7]
    assert [path.name for path in filter(inputs.is_video, found.files)] == ["f.MTS", "g.mpg"]
    words = inputs.kinds_of([path for path in found.left_out if path.suffix.lower() != ".heic"])
    assert words == "left out 6 files (1 .pdf, 1 without a suffix, 1 .eps, 1 .h5, 1 .x1, 1 of other kinds)"
    assert inputs.kinds_of([Path("a.HEIC"), Path("b.heic")]) == (
        "left out 2 files (2 .heic, which needs pip install 'ferlab[heif]')"
    )
    assert inputs.kinds_of([]) == ""
    assert [inputs.counted(n, "face") for n in (0, 1, 2)] == ["0 faces", "1 face", "2 faces"]


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
