"""What an entry of a data config says of the use of its faces."""

import numpy as np
import pytest

from ferlab.data.uses import Use
from ferlab.errors import FerlabError
from tests.conftest import made_faces


def test_an_entry_is_split_into_its_use_and_its_layouts_options():
    use, rest = Use.of({"name": "wild", "layout": "class_folders", "take": "train", "labels": "teacher"})
    assert use == Use(optional=False, take="train", labels="teacher")
    assert rest == {"name": "wild", "layout": "class_folders"}
    assert Use.of({"name": "wild"})[0] == Use(optional=False, take="all", labels="own")


@pytest.mark.parametrize(
    ("key", "value", "choices"),
    [("take", "val", "all or train"), ("labels", "none", "own or teacher"), ("optional", "perhaps", "false or true")],
)
def test_other_values_are_refused(key, value, choices):
    with pytest.raises(FerlabError, match=f"wild: {key} is '{value}'; choose {choices}"):
        Use.of({"name": "wild", key: value})


@pytest.mark.parametrize(("take", "n"), [("all", 240), ("train", 160)])
def test_faces_for_training(take, n):
    faces = made_faces()
    found = Use(take=take).for_training(faces)
    assert len(found) == n
    assert not found.split.any()
    assert np.array_equal(found.pixels, faces.pixels[:n])
    assert found.labelled.all()


def test_faces_that_a_teacher_alone_labels():
    faces = made_faces()
    assert Use().labelled(faces) is faces
    found = Use(labels="teacher").labelled(faces)
    assert not found.targets.any()
    assert not found.labelled.any()
    assert set(found.class_counts("train").values()) == {0}
    assert np.array_equal(found.pixels, faces.pixels)
