"""Layouts and their options by name."""

import pytest

from ferlab.data import sources
from ferlab.errors import FerlabError


def test_unknown_layouts_and_options_list_the_right_ones(tmp_path):
    with pytest.raises(FerlabError, match=f"choose one of {', '.join(sources.LAYOUTS)}"):
        sources.read("fer2014", tmp_path)
    with pytest.raises(FerlabError, match=r"no option strickt; its options: strict, strict_md5"):
        sources.read("fer2013", tmp_path, strickt=True)
    with pytest.raises(FerlabError, match="drawn needs n_val, n_test, seed"):
        sources.read("drawn", None, n_train=3)


def test_the_raw_files_of_drawn_faces_are_the_code_that_draws():
    assert [file.name for file in sources.raw_files("drawn", None)] == ["drawn.py", "drawn_figure.py"]
    assert all(file.is_file() for file in sources.raw_files("drawn", None))


@pytest.mark.parametrize("layout", ["image_folders", "class_folders", "ck_plus", "jaffe", "fer2013_csv"])
def test_a_folder_that_is_not_there_names_what_was_expected(tmp_path, layout):
    with pytest.raises(FerlabError, match=rf"none is not there; layout {layout} expects there .*See data/README\.md"):
        sources.raw_files(layout, tmp_path / "none")
