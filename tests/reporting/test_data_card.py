"""A data card holds what prepare counted."""

import json

import pytest

from ferlab.data import preparing
from ferlab.expressions import EXPRESSIONS
from tests.composing import composed
from tests.reporting.cards import SMALL, cards, rows, with_interval
from tests.reporting.test_summary_page import STUDENT
from tests.unpacked import RESULTS, study_of


@pytest.fixture
def prepared(tmp_path):
    config = composed(*SMALL, command="prepare")
    config["data"] |= {"root": str(tmp_path)}
    return tmp_path, preparing.prepare(config)[0]


def test_a_data_card_holds_what_prepare_counted(prepared):
    folder, made = prepared
    (text,) = cards(folder, data=SMALL).values()
    assert text.startswith("# Data card: drawn")
    for row in rows(text, "split"):
        counts = made["counts"][row["split"]]
        assert {name: int(row[name]) for name in EXPRESSIONS} == counts
        assert int(row["all"]) == sum(counts.values())
    assert f"`{made['pixels_sha256']}`" in text
    assert f"{made['duplicates']['groups']} groups, {made['duplicates']['redundant']} faces beyond" in text
    assert "python -m ferlab.prepare data=drawn near=true" in text
    assert "MIT, as the program." in text


def test_near_twins_empty_splits_and_another_file_are_told(prepared):
    folder, made = prepared
    path = folder / "stores" / made["name"] / "card.json"
    made["counts"]["test"] = dict.fromkeys(EXPRESSIONS, 0)
    made["counts"]["val"]["disgust"] = 0
    made["duplicates"]["near"] = {"val": 3, "test": 4}
    made |= {"layout": "fer2013", "md5": {"file": "fer2013.csv", "found": "a1", "published": "b2"}}
    path.write_text(json.dumps(made))
    text = cards(folder, RESULTS / STUDENT, data=SMALL)[f"data-{made['name']}.md"]
    assert "test has no face." in text
    assert "val has no face of disgust." in text
    assert "retouched: 3 val, 4 test." in text
    assert "near=true" not in text
    assert "`a1`, published is `b2`: another file" in text
    assert "Agreement with FER+'s votes: not measured" in text  # the run's study is of other data
    made["name"] = "fer2013"
    path.write_text(json.dumps(made))
    groups = study_of(STUDENT, "analysis")["ferplus"]
    text = cards(folder, RESULTS / STUDENT, data=SMALL)["data-fer2013.md"]
    assert f"disputes {groups['disputes']['n']}, {with_interval(groups['disputes']['n'], 3589)} %" in text
