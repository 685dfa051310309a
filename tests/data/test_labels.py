"""Whose labels the faces of a data config have."""

from pathlib import Path

import pytest

from ferlab.config import CONF
from ferlab.data.labels import labels_of, named
from tests.composing import composed

KNOWN = {"fer2013": "fer2013", "fer2013+aux": "fer2013", "fer2013+wild": "fer2013"}
KNOWN |= {"ferplus": "ferplus", "ferplus+wild": "ferplus"}


@pytest.mark.parametrize("name", sorted(path.stem for path in Path(CONF, "data").glob("[!_]*.yaml")))
def test_every_data_set_has_its_own_but_those_of_the_same_main_data(name):
    assert labels_of(composed(f"data={name}")["data"]) == KNOWN.get(name, name)


@pytest.mark.parametrize(
    ("data", "system"),
    [
        ("fer2013", "fer2013"),
        ("fer2013, fer2013+aux", "fer2013"),
        ("ferplus+wild", "ferplus"),
        ("fer2013, drawn", "fer2013, drawn"),
        ("None", "None"),
    ],
)
def test_names_of_data_tell_it_where_nothing_else_does(data, system):
    assert named(data) == system


def test_a_layout_counts_more_than_a_name():
    assert labels_of({"name": "mine", "sources": [{"layout": "ferplus"}, {"layout": "fer2013"}]}) == "ferplus"
    assert labels_of({"name": "mine", "sources": []}) == labels_of({"name": "mine"}) == "mine"
