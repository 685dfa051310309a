"""The seven expressions: their order, and the names other data sets give them."""

import pytest

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, FERPLUS_COLUMNS, K, index_of


def test_order_is_fer2013s():
    # Written out: a target's column, a logit's place and every stored report depend on it.
    assert EXPRESSIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert K == 7


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        *((e, e) for e in EXPRESSIONS),
        ("3 happy", "happy"),
        ("3_happy", "happy"),
        ("03-Happy", "happy"),
        (" Happiness ", "happy"),
        ("AN", "angry"),
        ("Anger", "angry"),
        ("HA", "happy"),
        ("SU", "surprise"),
        ("NE", "neutral"),
        ("DI", "disgust"),
        ("FE", "fear"),
        ("SA", "sad"),
        ("fearful", "fear"),
        ("SADNESS", "sad"),
    ],
)
def test_known_names(name, expression):
    assert EXPRESSIONS[index_of(name)] == expression


@pytest.mark.parametrize("name", ["contempt", "Contempt", "7 contempt", "unknown", "NF"])
def test_classes_that_fer2013_has_not(name):
    assert index_of(name) is None


@pytest.mark.parametrize("name", ["", " ", "3", "hap py", "boredom", "happyy", "../happy"])
def test_unknown_names_are_refused(name):
    with pytest.raises(FerlabError, match="expected one of angry, disgust, fear, happy, sad, surprise, neutral"):
        index_of(name)


def test_every_ferplus_column_is_known_and_each_expression_stands_once():
    columns = [index_of(name) for name in FERPLUS_COLUMNS]
    assert sorted(c for c in columns if c is not None) == list(range(K))
    assert columns[:7] == [6, 3, 5, 4, 0, 1, 2]
