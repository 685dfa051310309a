"""Cards are written, or the reason why not says what to type."""

from pathlib import Path

import pytest

from ferlab.errors import FerlabError
from ferlab.reporting import describing
from tests.reporting.test_summary_page import STUDENT
from tests.test_conf import composed
from tests.unpacked import unpacked

SMALL = ["data=drawn", "data.n_train=60", "data.n_val=20", "data.n_test=20"]


def cards(tmp_path, *paths, data=(), **options):
    config = composed(*data, config="describe")
    config |= {"runs": [str(path) for path in paths], "out": str(tmp_path / "cards"), "ledger": "none.jsonl"} | options
    if data:
        config["data"]["root"] = str(tmp_path)
    return {path.name: path.read_text() for path in describing.describe(config)}


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
