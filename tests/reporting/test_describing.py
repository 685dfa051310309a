"""Cards are written, or the reason why not says what to type."""

from pathlib import Path

import pytest

from ferlab.errors import FerlabError
from tests.conftest import measure
from tests.reporting.cards import SMALL, cards
from tests.reporting.test_summary_page import STUDENT
from tests.unpacked import unpacked


def test_a_card_names_no_place_of_this_machine(tmp_path, monkeypatch):
    mine = tmp_path / "mine"
    unpacked(STUDENT, mine)
    (tmp_path / "elsewhere").mkdir()
    for cwd, typed in ((tmp_path, f"mine/{STUDENT}"), (tmp_path / "elsewhere", f"outputs/{STUDENT}")):
        monkeypatch.chdir(cwd)
        [card] = cards(tmp_path, mine / STUDENT).values()
        assert str(tmp_path) not in card
        assert f"runs={typed} " in card


def test_the_card_of_a_drawn_run_speaks_of_its_data_and_finds_its_ledger(own_run, monkeypatch):
    monkeypatch.chdir(own_run.parent)
    measure(own_run.name, split="test", device="cpu", ledger_path="ledger.jsonl")
    [card] = cards(own_run.parent, own_run.name, ledger=None).values()
    assert "FER" not in card.replace("FERLAB", "")
    assert "the faces are drawn" in card
    assert "fer2013" not in card.lower()
    assert "Looks at test splits by these weights, alone or in an ensemble: 1." in card


def test_what_cannot_be_described_says_what_to_type(tmp_path):
    with pytest.raises(FerlabError, match=r"nothing to describe; type runs=outputs/NAME .* data=fer2013"):
        cards(tmp_path)
    with pytest.raises(
        FerlabError, match=r"drawn-60-20-20-s0 has no readable .*card.json .*python -m ferlab.prepare data=drawn first"
    ):
        cards(tmp_path, data=SMALL)
    with pytest.raises(FerlabError, match="matches no directory"):
        cards(tmp_path, "outputs/none*")
    unpacked(STUDENT, tmp_path)
    Path(tmp_path / STUDENT / "run.json").unlink()
    with pytest.raises(FerlabError, match="is no run directory"):
        cards(tmp_path, tmp_path / STUDENT)
